#!/usr/bin/env python3
"""The load of the HTTP and JSON side alone: linnet over an engine that computes nothing, against uvicorn and starlette.

    bench/http/compare.py [--python VENV/bin/python] [--seconds 5] [--rounds 3] [--connections 64]

wrk sends POST /age with the origin's body to each in turn, so that a drift of the machine meets both. Told are requests a
second of the server's own CPU time (/proc/PID/stat), which is what a machine pays, and the 99th percentile of the
latency that wrk saw. Exit status 1 where linnet misses 2.5 times the requests a CPU second or a p99 of 2 ms.
The venv has bench/http/requirements.txt."""
import argparse
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("LINNET_BUILD", "build/release")
BODY = '{"inputs": "I love you. I like you. I am your friend."}'
TIMES, P99_MS = 2.5, 2.0
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(port, process):
    end = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{process.args} does not listen")
            time.sleep(0.05)


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(port, pid, seconds, connections, script):
    """-> requests a second, requests a CPU second, p99 in ms"""
    before = cpu_seconds(pid)
    text = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script,
                           f"http://127.0.0.1:{port}/age"], check=True, capture_output=True, text=True).stdout
    used = cpu_seconds(pid) - before
    if "Non-2xx" in text or "Socket errors" in text:
        sys.exit(text)
    requests = int(re.search(r"(\d+) requests in", text)[1])
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    return requests / seconds, requests / used, float(number) * UNITS[unit]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="of the venv with uvicorn and starlette")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    ports = {"linnet": free_port(), "uvicorn + starlette": free_port()}
    commands = {
        "linnet": [BUILD / "bench/http/stub_server", str(ports["linnet"])],
        "uvicorn + starlette": [options.python, "-m", "uvicorn", "app:app", "--app-dir", Path(__file__).parent, "--port",
                                str(ports["uvicorn + starlette"]), "--log-level", "error", "--no-access-log"],
    }
    rows = {name: [] for name in commands}
    processes = {}
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f"wrk.method = 'POST'\nwrk.body = '{BODY}'\nwrk.headers['Content-Type'] = 'application/json'\n")
        script.flush()
        try:
            for name, command in commands.items():
                processes[name] = subprocess.Popen(command, stdout=subprocess.DEVNULL)
                await_port(ports[name], processes[name])
                load(ports[name], processes[name].pid, 1, options.connections, script.name)
            for _ in range(options.rounds):
                for name, process in processes.items():
                    rows[name].append(load(ports[name], process.pid, options.seconds, options.connections, script.name))
        finally:
            for process in processes.values():
                process.terminate()
                process.wait(20)
    medians = {name: [statistics.median(column) for column in zip(*runs)] for name, runs in rows.items()}
    print("| | requests/s | requests a CPU second | p99 ms |\n|---|---|---|---|")
    for name, (rate, per_cpu, p99) in medians.items():
        print(f"| {name} | {rate:.0f} | {per_cpu:.0f} | {p99:.2f} |")
    times, p99 = medians["linnet"][1] / medians["uvicorn + starlette"][1], medians["linnet"][2]
    print(f"\nlinnet answers {times:.2f} times the requests a CPU second (wanted: {TIMES}), p99 {p99:.2f} ms (wanted: {P99_MS})")
    return 0 if times >= TIMES and p99 <= P99_MS else 1


if __name__ == "__main__":
    sys.exit(main())
