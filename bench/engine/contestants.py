"""linnet and its peers, each behind one small class or function: started, measured in turns, stopped."""

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VENV = Path.home() / ".cache/linnet/bench-venv"
ORIGIN = json.dumps({"inputs": "I love you. I like you. I am your friend."})  # 15 tokens with [CLS] and [SEP]


class Refused(Exception):
    """A contestant that this machine or this build does not have; the message says why."""


def venv_python():
    """The interpreter of the peers' virtual environment, which is made where it is missing."""
    python = VENV / "bin/python"
    wanted = (HERE / "requirements.txt").read_text()
    installed = VENV / "installed.txt"
    if not installed.exists() or installed.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", HERE / "requirements.txt"], check=True)
        installed.write_text(wanted)
    return python


def make_model(directory):
    if not directory.exists():
        subprocess.run([venv_python(), "-c", "import sys, pathlib, model; model.make(pathlib.Path(sys.argv[1]))", directory], cwd=HERE, check=True)
    return directory


class Peer:
    """A process of peers.py."""

    def __init__(self, kind, model, cache, threads, log):
        self.process = subprocess.Popen([venv_python(), HERE / "peers.py", kind, model, cache, str(threads)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=log.open("wb"), text=True)  # fmt: skip
        self.log = log
        try:
            self.name = self.read()["name"]
        except Refused:
            self.close()
            raise

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise Refused(f"ended: {' '.join(self.log.read_text(errors='replace').split()[-30:])}")
        return json.loads(line)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.read()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Linnet:
    """The program of one build, with one model and one number of threads."""

    def __init__(self, build, model, threads):
        self.program, self.model, self.threads = build / "linnet", model, str(threads)

    def run(self, command, *arguments, stdin=None):
        done = subprocess.run([self.program, command, *map(str, arguments), self.model], input=stdin, capture_output=True, text=True)
        if done.returncode:
            raise Refused(done.stderr.strip().removeprefix("linnet: "))
        return done.stdout

    def bench(self, precision, tokens, batch, seconds):
        """-> the report of one precision, and cases by (kind, texts a batch, tokens a text)"""
        report = json.loads(self.run("bench", "--json", "--threads", self.threads, "--precision", precision, "--tokens", tokens, "--batch", batch,
                                     "--seconds", max(1, round(seconds))))  # fmt: skip
        only = report["precisions"][0]
        only["cases"] = {(case["kind"], case["texts_a_batch"], case["tokens_a_text"]): case for case in only["cases"]}
        return {**report, **only}

    def logits(self, precision, texts):
        lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
        done = subprocess.run([self.program, "run", "--precision", precision, "--input", "jsonl", "--logits", self.model], input=lines,
                              capture_output=True, text=True)  # fmt: skip
        if done.returncode:
            raise Refused(done.stderr.strip().removeprefix("linnet: "))
        return [json.loads(line)["logits"] for line in done.stdout.splitlines()]

    def ids(self, texts):
        lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
        done = subprocess.run([self.program, "tokenize", "--input", "jsonl", self.model], input=lines, capture_output=True, text=True, check=True)
        return [json.loads(line)["ids"] for line in done.stdout.splitlines()]


class Server:
    """`linnet serve` on a port of the system's choice. A context manager."""

    def __init__(self, linnet, precision, *options):
        command = [linnet.program, "serve", "--port", "0", "--threads", linnet.threads, "--precision", precision, *map(str, options), linnet.model]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        told = ""
        for line in self.process.stdout:
            told += line
            if found := re.search(r"listening on (http://\S+)", line):
                self.url = found[1]
            if line.startswith("serving "):
                return
        self.process.wait()
        raise Refused(told.strip())

    def info(self):
        with urllib.request.urlopen(self.url + "/info") as answer:
            return json.load(answer)

    def hey(self, clients, seconds):
        """-> {"rate": successes a second, "p50", "p99": ms}"""
        done = subprocess.run(["hey", "-z", f"{seconds}s", "-c", str(clients), "-m", "POST", "-H", "Content-Type: application/json", "-d", ORIGIN,
                               self.url + "/age"], capture_output=True, text=True, check=True).stdout  # fmt: skip
        return read_hey(done)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate()


def read_hey(text):
    total = float(re.search(r"Total:\s+([0-9.]+) secs", text)[1])
    good = sum(int(count) for count in re.findall(r"\[200\]\s+(\d+) responses", text))
    found = {percent: re.search(rf"{percent}% in ([0-9.]+) secs", text) for percent in (50, 99)}
    return {"rate": good / total, **{f"p{percent}": float(match[1]) * 1e3 if match else None for percent, match in found.items()}}


def yardstick(source, cache):
    """-> {(precision, rows): Gop/s with two threads} of ../shared/yardstick/hand.c"""
    flags = Path("/proc/cpuinfo").read_text()
    missing = [flag for flag in ("avx512f", "avx512_vnni", "avx512_bf16") if flag not in flags]
    if missing:
        raise Refused(f"this processor lacks {', '.join(missing)}")
    if not source.exists():
        raise Refused(f"{source} is not here")
    return read_yardstick(run_yardstick(source, cache, "x"))


def run_yardstick(source, cache, *arguments):
    program = cache / source.stem
    subprocess.run(["gcc", "-O3", "-march=native", "-o", program, source, "-lm", "-lpthread"], check=True)
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout


def attention_kernels(build, source, cache):
    """-> {"ours": {tokens: (Gop/s, share of the FMA peak)}, "theirs": {tokens: Gop/s}} of one thread: checkkern and ../shared/yardstick/attn.c"""
    checkkern = build / "tests/kern/checkkern"
    for needed in (checkkern, source):
        if not needed.exists():
            raise Refused(f"{needed} is not here")
    ours = read_attention(subprocess.run([checkkern, "--bench", "--isa", "avx512", "attention"], capture_output=True, text=True, check=True).stdout)
    if not ours:
        raise Refused("this processor lacks avx512f")
    return {"ours": ours, "theirs": read_attention_yardstick(run_yardstick(source, cache))}


def read_attention(text):
    found = re.findall(r"length +(\d+) plain .* us +([0-9.]+) Gop/s +(\d+) %", text)
    return {int(tokens): (float(rate), int(share) / 100) for tokens, rate, share in found}


def read_attention_yardstick(text):
    return {int(tokens): float(rate) for tokens, rate in re.findall(r"L= *(\d+) .*? us \( *([0-9.]+) GF/s", text)}


def read_yardstick(text):
    names = {"f32": "fp32", "bf16": "bf16", "u8s8": "int8"}
    rates = {}
    for line in text.splitlines():
        if found := re.match(r"STACK (\w+)\s+M=\s*(\d+) \|(.*)", line):
            rates[names[found[1]], int(found[2])] = float(re.findall(r"ms\s+([0-9.]+) GF/s", found[3])[1])
    return rates
