"""What linnet costs and brings around a pipeline: against the same pipeline in a Python loop, behind uvicorn and starlette,
and behind actix-web and PyO3.

    ~/.cache/linnet/torch-venv/bin/python bench/ffi/compare.py build/release [MODEL] [--rust PROGRAM]

Wants hey, and a Python with transformers, torch, starlette and uvicorn. Without MODEL, a model of DistilBERT-base's shape with
random weights is made in build/bench. PROGRAM is bench/peers/rust, built for this Python; without it, that contestant is left out.
Prints two tables; rounds are interleaved, and the machine's load is printed beside them. The servers must give equal answers.
All compute with one thread (OMP_NUM_THREADS; set it to say otherwise): torch's threads wait for each other at barriers,
and where anything else wants a core, more than one measures the neighbour.
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import sysconfig
import time

import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from compare.model import make_model  # noqa: E402

TEXT = "I love you. I like you. I am your friend."
BODY = json.dumps({"inputs": TEXT})
ROUNDS = int(os.environ.get("ROUNDS", "5"))
CALLS = 60  # of the loop, and requests at c = 1, a round
PORTS = {"linnet": 8091, "uvicorn": 8092, "rust": 8093}
TOLERANCE = 1e-6  # of a score; the same pipeline on the same machine


THREADS = os.environ.setdefault("OMP_NUM_THREADS", "1")


def rust_environment():
    """What lets a program that embeds Python find this one: its library, and the virtual environment's packages."""
    return {"LD_LIBRARY_PATH": sysconfig.get_config_var("LIBDIR"), "PYTHONHOME": sys.base_prefix, "PYTHONPATH": sysconfig.get_path("purelib")}


def start(name, model, options):
    commands = {
        "linnet": [options.build / "linnet", "serve", "--engine", "python", "--python", sys.executable, "--port", "8091", "--log-level", "error", "--worker-threads", THREADS, "--workers", options.workers, model],
        "uvicorn": [sys.executable, "-m", "uvicorn", "--app-dir", ROOT / "bench/peers/python", "app:app", "--port", "8092", "--log-level", "warning"],
        "rust": [options.rust, "--model", model, "--port", "8093", "--threads", THREADS],
    }
    environment = {**os.environ, "MODEL": str(model), **(rust_environment() if name == "rust" else {})}
    return subprocess.Popen(list(map(str, commands[name])), stdout=subprocess.DEVNULL, env=environment)


def first_answer(name):
    for _ in range(600):
        try:
            status, answer = ask(name)
            if status == 200:
                return answer
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"{name} does not answer")


def check_same_answers(answers):
    reference = answers["uvicorn"]
    for name, answer in answers.items():
        same = len(answer) == len(reference) and all(
            ours["label"] == theirs["label"] and abs(ours["score"] - theirs["score"]) <= TOLERANCE
            for ours, theirs in zip(answer, reference)
        )
        if not same:
            raise SystemExit(f"{name} answers {answer}, uvicorn {reference}")


class Connection(http.client.HTTPConnection):
    """Sends a request in one piece, as most clients do: http.client sends head and body apart, and the time between the two would
    count as the server's."""

    def _send_output(self, message_body=None, encode_chunked=False):
        head = b"\r\n".join([*self._buffer, b"", b""])
        self._buffer.clear()
        self.send(head + (message_body.encode() if isinstance(message_body, str) else message_body or b""))


def ask(name):
    """-> status, answer (None unless the status is 200)"""
    connection = Connection("127.0.0.1", PORTS[name], timeout=60)
    connection.request("POST", "/age", BODY, {"Content-Type": "application/json"})
    response = connection.getresponse()
    body = response.read()
    return response.status, json.loads(body) if response.status == 200 else None


def times_over_http(name):
    connection = Connection("127.0.0.1", PORTS[name], timeout=60)
    taken = []
    for _ in range(CALLS):
        begin = time.perf_counter()
        connection.request("POST", "/age", BODY, {"Content-Type": "application/json"})
        connection.getresponse().read()
        taken.append(time.perf_counter() - begin)
    connection.close()
    return taken


LOOP = """
import json, sys, time, transformers
pipe = transformers.pipeline("text-classification", model=sys.argv[1], device="cpu")
text = sys.argv[2]
pipe(text)
for line in sys.stdin:
    taken = []
    for _ in range(int(line)):
        begin = time.perf_counter()
        json.dumps(pipe(text))
        taken.append(time.perf_counter() - begin)
    print(json.dumps(taken), flush=True)
"""


def times_in_loop(loop):
    loop.stdin.write(f"{CALLS}\n")
    loop.stdin.flush()
    return json.loads(loop.stdout.readline())


def own_seconds():
    """-> (seconds that requests took, seconds of them in Python, requests) by linnet's /metrics"""
    connection = http.client.HTTPConnection("127.0.0.1", PORTS["linnet"])
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    names = ('linnet_request_duration_seconds_sum{path="/age"}', "linnet_python_duration_seconds_sum", 'linnet_request_duration_seconds_count{path="/age"}')
    return [float(re.search("^" + re.escape(name) + r" (\S+)$", text, re.MULTILINE)[1]) for name in names]


def requests_a_second(name, clients):
    """-> successes a second"""
    done = subprocess.run(
        ["hey", "-n", str(max(CALLS, 6 * clients)), "-c", str(clients), "-m", "POST", "-H", "Content-Type: application/json",
         "-d", BODY, f"http://127.0.0.1:{PORTS[name]}/age"], capture_output=True, text=True, check=True,
    ).stdout
    total = float(re.search(r"Total:\s+([0-9.]+) secs", done)[1])
    good = sum(int(count) for count in re.findall(r"\[200\]\s+(\d+) responses", done))
    return good / total


def milliseconds(values):
    return f"{statistics.median(values) * 1e3:.2f}"


def stop(process):
    process.terminate()
    process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("model", nargs="?", type=pathlib.Path)
    parser.add_argument("--rust", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--workers", default="1", help="Python workers of linnet")
    options = parser.parse_args()
    model = options.model or make_model(ROOT / "build/bench/distilbert-shape")
    names = [name for name in PORTS if name != "rust" or options.rust]
    alone = {name: [] for name in ("loop", *names)}
    own = []
    rates = {(name, clients): [] for clients in (1, 15, 50) for name in names}
    with contextlib.ExitStack() as running:
        for name in names:
            running.callback(stop, start(name, model, options))
        check_same_answers({name: first_answer(name) for name in names})
        loop = subprocess.Popen([sys.executable, "-c", LOOP, model, TEXT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        running.callback(stop, loop)
        for _ in range(ROUNDS):
            alone["loop"].append(times_in_loop(loop))
            for name in names:
                before = own_seconds()
                alone[name].append(times_over_http(name))
                if name == "linnet":
                    whole, inside, count = (after - earlier for after, earlier in zip(own_seconds(), before))
                    own.append((whole - inside) / count)
            for name, clients in rates:
                rates[name, clients].append(requests_a_second(name, clients))
    print(f"{model.name}, {os.cpu_count()} cores, {THREADS} threads, load {os.getloadavg()[0]:.1f} at the end, transformers {transformers.__version__}, torch {torch.__version__}")
    print("\none request at a time, median ms over all rounds (least of the rounds' medians):")
    for name, rounds in alone.items():
        every = [value for values in rounds for value in values]
        print(f"  {name:8} {milliseconds(every)} ({min(map(statistics.median, rounds)) * 1e3:.2f})")
    print(f"  linnet's own part (its request time less Python's, mean): {milliseconds(own)} ms")
    print("\nsuccesses a second, median of the rounds, and linnet's as a multiple:")
    for clients in (1, 15, 50):
        rate = {name: statistics.median(rates[name, clients]) for name in names}
        peers = "".join(f"  {name} {rate[name]:7.1f} ({rate['linnet'] / rate[name]:.2f})" for name in names[1:])
        print(f"  c = {clients:2}  linnet {rate['linnet']:7.1f}{peers}")


if __name__ == "__main__":
    main()
