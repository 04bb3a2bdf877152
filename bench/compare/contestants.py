"""The contestants: what each is, what it needs, how it is started."""

import dataclasses
import json
import os
import subprocess
from pathlib import Path

from . import cores

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "bench/peers"
CACHE = Path(os.environ.get("BENCH_CACHE", Path.home() / ".cache/linnet/bench"))
TORCH_VENV = Path(os.environ.get("LINNET_TORCH_VENV", Path.home() / ".cache/linnet/torch-venv"))
ONNX_VENV = CACHE / "onnx-venv"
RUST_TARGET = CACHE / "rust-target"

FP32_BOUND = 1e-5  # of a score; two fp32 implementations of one model
INT8_BOUND = 0.16  # of a score: what a plain dynamic int8 scheme costs on the SST-2 dev set at its worst text


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the whole run shares."""

    model: Path
    device: str
    build: Path
    work: Path  # where raw outputs go

    @property
    def onnx(self):
        return CACHE / "onnx" / self.model.name


class Unavailable(Exception):
    """A contestant cannot be had here; the message says why and what would help."""


def telling_line(log):
    """-> of a log: its first line that begins with an error, else its last"""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "fatal"))]
    return (errors or lines[-1:] or ["it said nothing"])[0]


def run_step(run, command, log, **keywords):
    """Runs one command of an installation through `run` (which keeps the display alive and its output in `log`)."""
    code = run(command, log, **keywords)
    if code != 0:
        words = " ".join([Path(command[0]).name, *map(str, command[1:4])])
        raise Unavailable(f"{words}: exit status {code}: {telling_line(log)}")


def make_venv(directory, requirements, run, log):
    """A virtual environment with exactly these requirements; made anew where they have changed."""
    stamp = directory / ".requirements"
    wanted = requirements.read_text()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    run_step(run, ["python3", "-m", "venv", directory], log)
    run_step(run, [directory / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements], log)
    stamp.write_text(wanted)


def torch_venv(run, log):
    """transformers, torch, starlette and uvicorn: the same packages for all that run the pipeline in Python."""
    if not (TORCH_VENV / "bin/python").is_file():
        run_step(run, [ROOT / "tools/torch-venv"], log)
    check = [
        TORCH_VENV / "bin/python",
        "-c",
        "import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ('starlette', 'uvicorn'))))",
    ]
    if run(check, log) != 0:
        run_step(
            run,
            [
                TORCH_VENV / "bin/pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "-r",
                PEERS / "python/requirements.txt",
            ],
            log,
        )


class Contestant:
    """One row of the report. prepare() may take minutes and raises Unavailable; the others are quick."""

    key = title = language = precision = ""
    bound = FP32_BOUND
    labels_must_agree = True
    on_device = False  # follows --device; others compute on the CPU whatever it says
    origin_only = False  # only what the origin measured

    def prepare(self, settings, run, log):
        raise NotImplementedError

    def command(self, settings, port):
        raise NotImplementedError

    def environment(self, settings):
        return {}

    def disk(self, settings):
        """-> paths that someone who deploys this must carry, without the model"""
        raise NotImplementedError


def uvicorn(venv, folder, port):
    options = ["--port", port, "--workers", "1", "--log-level", "warning"]
    return [venv / "bin/python", "-m", "uvicorn", "--app-dir", folder, "app:app", *options]


class Python(Contestant):
    key, title, language, precision = "python", "Python: uvicorn + starlette + transformers", "Python", "fp32"
    on_device = True

    def prepare(self, settings, run, log):
        torch_venv(run, log)

    def command(self, settings, port):
        return uvicorn(TORCH_VENV, PEERS / "python", port)

    def environment(self, settings):
        return {"MODEL": str(settings.model), "DEVICE": settings.device}

    def disk(self, settings):
        return [TORCH_VENV, PEERS / "python"]


class Rust(Contestant):
    language, precision, on_device = "Rust", "fp32", True

    def __init__(self, profile):
        self.profile, self.key = profile, f"rust-{profile}"
        self.title = f"Rust: actix-web + PyO3, {profile}"
        self.origin_only = profile == "debug"
        self.found = {}

    def prepare(self, settings, run, log):
        torch_venv(run, log)
        ask = (
            "import json, sys, sysconfig; print(json.dumps({'LD_LIBRARY_PATH': sysconfig.get_config_var('LIBDIR'), "
            "'PYTHONHOME': sys.base_prefix, 'PYTHONPATH': sysconfig.get_path('purelib')}))"
        )
        self.found = json.loads(
            subprocess.run([TORCH_VENV / "bin/python", "-c", ask], capture_output=True, text=True, check=True).stdout
        )
        flags = ["--release"] if self.profile == "release" else []
        variables = {"PYO3_PYTHON": str(TORCH_VENV / "bin/python"), "CARGO_TARGET_DIR": str(RUST_TARGET)}
        try:
            run_step(run, ["cargo", "build", "--quiet", *flags], log, directory=PEERS / "rust", environment=variables)
        except FileNotFoundError as error:
            raise Unavailable("no cargo: install a Rust tool chain (edition 2024: Rust 1.85 or newer)") from error

    def program(self):
        return RUST_TARGET / self.profile / "pipeline-server"

    def command(self, settings, port):
        return [self.program(), "--model", settings.model, "--port", port, "--device", settings.device]

    def environment(self, settings):
        return self.found

    def disk(self, settings):
        return [self.program(), TORCH_VENV]


class Linnet(Contestant):
    """The native engine."""

    language = "C"

    def __init__(self, precision):
        self.precision = precision
        self.key = "linnet" if precision == "fp32" else f"linnet-{precision}"
        self.title = f"C: linnet, native {precision}"
        if precision != "fp32":
            self.bound, self.labels_must_agree = INT8_BOUND, False

    def prepare(self, settings, run, log):
        if not (settings.build / "linnet").is_file():
            raise Unavailable(f"no {settings.build}/linnet: make build")

    def command(self, settings, port):
        return [
            settings.build / "linnet",
            "serve",
            settings.model,
            "--precision",
            self.precision,
            "--port",
            port,
            "--log-level",
            "warn",
        ]

    def disk(self, settings):
        return [settings.build / "linnet"]


class LinnetPython(Contestant):
    """linnet's FFI engine: transformers in embedded CPython."""

    key, title, language, precision = "linnet-ffi", "C: linnet, FFI to transformers", "C", "fp32"
    on_device = True

    def prepare(self, settings, run, log):
        torch_venv(run, log)
        if not (settings.build / "linnet-pyworker").is_file():
            raise Unavailable(
                f"no {settings.build}/linnet-pyworker: install Python's headers (python3-dev), then make build"
            )

    def command(self, settings, port):
        return [
            settings.build / "linnet",
            "serve",
            settings.model,
            "--engine",
            "python",
            "--python",
            TORCH_VENV / "bin/python",
            "--dtype",
            "float32",
            "--device",
            settings.device,
            "--port",
            port,
            "--log-level",
            "warn",
        ]

    def disk(self, settings):
        return [settings.build / "linnet", settings.build / "linnet-pyworker", TORCH_VENV]


class Onnx(Contestant):
    """onnxruntime behind starlette. `sessions` 0: one session of `threads` threads computes where the request arrives."""

    language = "Python"

    def __init__(self, key, precision, sessions, threads):
        self.key, self.precision, self.sessions, self.threads = key, precision, sessions, threads
        how = f"{sessions} sessions of {threads} thread" if sessions else f"inline, {threads} threads"
        self.title = f"Python: starlette + onnxruntime {precision}, {how}"
        if precision != "fp32":
            self.bound, self.labels_must_agree = INT8_BOUND, False

    def file(self, settings):
        return settings.onnx / ("model.onnx" if self.precision == "fp32" else f"model-{self.precision}.onnx")

    def prepare(self, settings, run, log):
        make_venv(ONNX_VENV, PEERS / "onnx/requirements.txt", run, log)
        sources = [settings.model / "model.safetensors", settings.model / "config.json", PEERS / "onnx/export.py"]
        missing = [path for path in sources if not path.is_file()]
        if missing:
            raise Unavailable(f"the export wants {missing[0]}")
        made = self.file(settings)
        stamp = settings.onnx / ".source"
        wanted = "\n".join(f"{path.resolve()} {path.stat().st_mtime_ns}" for path in sources)
        if not (made.is_file() and stamp.is_file() and stamp.read_text() == wanted):
            run_step(run, [ONNX_VENV / "bin/python", PEERS / "onnx/export.py", settings.model, settings.onnx], log)
            stamp.write_text(wanted)

    def command(self, settings, port):
        return uvicorn(ONNX_VENV, PEERS / "onnx", port)

    def environment(self, settings):
        return {
            "MODEL": str(settings.model),
            "ONNX": str(self.file(settings)),
            "SESSIONS": str(self.sessions),
            "THREADS": str(self.threads),
        }

    def disk(self, settings):
        return [ONNX_VENV, PEERS / "onnx"]


def all_contestants():
    """In the order of the report. python comes first: its answers are what the others' are compared with."""
    count = cores.of_service()
    return [
        Python(),
        Rust("debug"),
        Rust("release"),
        LinnetPython(),
        Linnet("fp32"),
        Onnx("onnx-fp32", "fp32", count, 1),
        Linnet("int8"),
        Onnx("onnx-int8", "int8", count, 1),
        Onnx("onnx-int8-inline", "int8", 0, count),
    ]
