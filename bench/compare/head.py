"""The head of a report: the machine, the versions, the date."""

import datetime
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from . import contestants

ISA_FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8")
PACKAGES = {
    "python": ("torch", "transformers", "tokenizers", "starlette", "uvicorn"),
    "onnx": ("onnxruntime", "tokenizers", "starlette", "uvicorn", "uvloop"),
    "tools": ("locust", "matplotlib"),
}


def output(*command):
    """-> what a command prints on either stream, stripped; nothing where there is no such command"""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout + done.stderr).strip()


def packages(python, names):
    """-> "name version, ..." of a virtual environment"""
    script = "import importlib.metadata as m, sys; print(', '.join(f'{n} {m.version(n)}' for n in sys.argv[1:]))"
    found = output(python, "-c", script, *names)
    return found if found and "Traceback" not in found else "not installed"


def machine():
    lines = Path("/proc/cpuinfo").read_text()
    name = re.search(r"model name\s*:\s*(.+)", lines)
    numbers = re.search(r"cpu family\s*:\s*(\d+)\nmodel\s*:\s*(\d+)", lines)
    flags = re.search(r"flags\s*:\s*(.+)", lines)
    has = [flag for flag in ISA_FLAGS if flags and flag in flags[1].split()]
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) / 2**20
    family = f" (family {numbers[1]}, model {numbers[2]})" if numbers else ""
    return {
        "Processor": f"{name[1] if name else platform.machine()}{family}, {len(os.sched_getaffinity(0))} cores; {' '.join(has)}",
        "Memory": f"{memory:.0f} GiB",
        "System": f"{output('sh', '-c', '. /etc/os-release; echo $PRETTY_NAME')}, Linux {platform.release()}",
    }


def gpu():
    return output("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")


def versions(settings):
    torch, onnx = contestants.TORCH_VENV / "bin/python", contestants.ONNX_VENV / "bin/python"
    cargo = (contestants.PEERS / "rust/Cargo.toml").read_text()
    crates = re.findall(r"^(actix-web|pyo3) = .*?=([0-9.]+)", cargo, re.MULTILINE)
    commit = output("git", "-C", contestants.ROOT, "describe", "--always", "--dirty") or "unknown"
    wrk = re.search(r"wrk ([^ ]+)", output("wrk", "-v"))
    hey = output("dpkg-query", "-W", "-f", "${Version}", "hey")
    return {
        "linnet": f"{output(settings.build / 'linnet', '--version').partition(chr(10))[0]}, commit {commit}",
        "Python and FFI rows": f"{output(torch, '--version')}, {packages(torch, PACKAGES['python'])}",
        "onnxruntime rows": packages(onnx, PACKAGES["onnx"]),
        "Rust rows": f"{output('rustc', '--version') or 'no rustc'}, {', '.join(map(' '.join, crates))}",
        "Load": f"hey {hey}, wrk {wrk[1] if wrk else ''}, {packages(sys.executable, PACKAGES['tools'])}",
    }


def make_head(settings, plan, pinning, command):
    made = machine()
    if settings.device != "cpu":
        made["GPU"] = gpu() or "none found by nvidia-smi"
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": made,
        "versions": versions(settings),
        "model": model_words(settings.model),
        "device": settings.device,
        "plan": plan.name,
        "rounds": plan.rounds,
        "pinning": pinning,
        "command": command,
        "cores": len(os.sched_getaffinity(0)),
    }


def model_words(model):
    size = sum(path.stat().st_size for path in model.glob("*.safetensors")) / 2**20
    made = ", random weights" if (contestants.ROOT / "build/bench") in model.parents else ""
    return f"{model.name}{made}, {size:.0f} MiB of weights"
