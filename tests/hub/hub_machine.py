"""The real linnet and the real huggingface_hub, on a machine whose Hub is a fake one."""
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("LINNET_BUILD", "build/release")
LINNET = BUILD / "linnet"
DOWNLOADS = b"X-Linked-ETag" in LINNET.read_bytes()
TINY = ROOT / "tests/golden/models/bert-gelu"
VARIABLES = ("HF_", "HUGGING", "TRANSFORMERS_", "XDG_CACHE", "SSL_CERT", "REQUESTS_CA", "CURL_CA", "VIRTUAL_ENV")


def tiny_files():
    """A whole model that linnet runs, as the Hub would list it: with files that it does not need."""
    files = {path.name: path.read_bytes() for path in TINY.iterdir() if path.name != "golden.jsonl"}
    return {**files, "README.md": b"# tiny\n", "pytorch_model.bin": b"pickle", "onnx/model.onnx": b"onnx", ".gitattributes": b"*\n"}


def large_files(size=6 << 20, seed=1):
    """A model whose weights take a while; linnet pulls it but cannot run it."""
    import random

    return {**tiny_files(), "model.safetensors": random.Random(seed).randbytes(size)}


class Machine:
    """A home directory, with commands that see it, a Hub and nothing else."""

    def __init__(self, home, hub):
        self.home, self.hub = home, hub
        self.cache = home / "hub"

    def environment(self, **more):
        clean = {name: value for name, value in os.environ.items() if not name.startswith(VARIABLES) and not name.lower().endswith("_proxy")}
        here = {"HF_HOME": str(self.home), "HF_ENDPOINT": self.hub.endpoint, "HF_HUB_DISABLE_XET": "1"}
        return {name: value for name, value in {**clean, **here, **more}.items() if value is not None}

    def linnet(self, *arguments, stdin=b"", timeout=600, **environment):
        return subprocess.run([LINNET, *map(str, arguments)], input=stdin, capture_output=True, timeout=timeout,
                              env=self.environment(**environment))

    def start(self, *arguments, **environment):
        return subprocess.Popen([LINNET, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env=self.environment(**environment))

    def pull(self, name="org/tiny", *arguments, **environment):
        """-> the snapshot's directory"""
        done = self.linnet("pull", name, *arguments, **environment)
        assert done.returncode == 0, done.stderr.decode()
        return Path(done.stdout.decode().rstrip("\n"))

    def refusal(self, *arguments, code=1, **environment):
        """The last line of a command that fails."""
        done = self.linnet(*arguments, **environment)
        assert done.returncode == code and done.stdout == b"", (done.returncode, done.stdout, done.stderr)
        line = done.stderr.decode().splitlines()[-1]
        assert line.startswith("linnet: "), done.stderr.decode()
        return line

    def package(self, code, **environment):
        """Runs Python with huggingface_hub imported -> what it prints"""
        program = "from huggingface_hub import *\n" + code
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=600, text=True,
                              env=self.environment(**environment))
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip("\n")

    def repo(self, name="org/tiny"):
        return self.cache / ("models--" + name.replace("/", "--"))
