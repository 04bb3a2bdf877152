"""linnet serve with a Python engine, for the tests: requests, load in the background, and its worker processes."""

import http.client
import json
import os
import queue
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

from pace import SLOWNESS

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("LINNET_BUILD", "build/release")
LINNET = BUILD / "linnet"
HERE = Path(__file__).resolve().parent
SCRIPT = HERE / "faulty_script.py"
ADDRESS = re.compile(r"listening on (?:http://)?127\.0\.0\.1:(\d+)")


def processes():
    """-> {pid: (parent, command line)} of all that run"""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if fields[0] != "Z":
            found[int(path.name)] = (int(fields[1]), command)
    return found


def wait_until(condition, seconds=20, what="it"):
    end = time.monotonic() + seconds * SLOWNESS
    while not (value := condition()):
        assert time.monotonic() < end, f"{what} did not come in {seconds} s"
        time.sleep(0.02)
    return value


def environment(more=None):
    """A worker's segfault is to be a segfault in builds with sanitizers too."""
    values = {**os.environ, **(more or {})}
    for name in ("ASAN_OPTIONS", "TSAN_OPTIONS"):
        values[name] = ":".join(filter(None, (os.environ.get(name), "handle_segv=0")))
    return values


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.fields = dict(response.getheaders())
        self.text = response.read().decode()

    @property
    def json(self):
        return json.loads(self.text)


class Server:
    def __init__(self, log, *options, executable=LINNET, variables=None, ready=True):
        assert Path(executable).is_file(), f"no executable {executable}: build first, or set LINNET_BUILD"
        self.log = log
        self.command = [str(executable), "serve", "--port", "0", *map(str, options)]
        self.process = subprocess.Popen(
            self.command, stdout=log.open("wb"), stderr=subprocess.STDOUT, env=environment(variables)
        )
        self.port = int(wait_until(lambda: ADDRESS.search(self.text()), what="the address")[1])
        if ready:
            wait_until(lambda: self.state() == "ok" or self.process.poll() is not None, 60, "a ready server")
            assert self.process.poll() is None, self.text()

    def text(self):
        return self.log.read_text(errors="replace")

    def request(self, method, path, body=None, timeout=300):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def ask(self, inputs, path="/", **parameters):
        body = {"inputs": inputs, "parameters": parameters} if parameters else {"inputs": inputs}
        return self.request("POST", path, json.dumps(body))

    def ask_meanwhile(self, inputs, **parameters):
        """A request in the background. -> a function that waits for its answer, or for the error that it got"""
        answers = queue.SimpleQueue()

        def client():
            try:
                answers.put(self.ask(inputs, **parameters))
            except OSError as error:
                answers.put(error)

        threading.Thread(target=client, daemon=True).start()
        return lambda: answers.get(timeout=300)

    def state(self):
        try:
            return self.request("GET", "/health").json["status"]
        except OSError:
            return None

    def metric(self, name):
        match = re.search(rf"^{re.escape(name)} (\S+)$", self.request("GET", "/metrics").text, re.MULTILINE)
        assert match, f"no metric {name}"
        return float(match[1])

    def workers(self):
        """-> the pids of this server's worker processes"""
        return [pid for pid, (parent, _) in processes().items() if parent == self.process.pid]

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def stop(self):
        workers = self.workers()
        if self.process.poll() is None:
            self.signal()
        try:
            code = self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        assert code == 0, f"exit status {code}: {self.text()}"
        # A server that is told to end while its worker loads leaves the worker to the kernel, which takes its moment.
        end = time.monotonic() + 5 * SLOWNESS
        while left := set(workers) & set(processes()):
            assert time.monotonic() < end, f"workers {left} outlived their server"
            time.sleep(0.01)
        # A worker may die of a fault; linnet may not.
        assert "Sanitizer" not in self.text() and "runtime error" not in self.text(), self.text()


class Load:
    """Requests from several clients until it ends; `wrong` holds every answer that is not what it should be."""

    def __init__(self, server, clients=6):
        self.server, self.answered, self.wrong, self.ending = server, 0, [], False
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._client, args=(number,)) for number in range(clients)]

    def _client(self, number):
        turn = 0
        while not self.ending:
            turn += 1
            text = f"text {number} {turn % 10}"
            try:
                answer = self.server.ask(text)
                right = answer.status == 200 and answer.json["text"] == text
                said = answer.text
            except OSError as error:
                right, said = False, repr(error)
            with self.lock:
                self.answered += 1
                if not right:
                    self.wrong.append((text, said))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_until(lambda: self.answered > 2 * len(self.threads), what="answers under load")
        return self

    def __exit__(self, *_):
        before = self.answered
        try:
            wait_until(lambda: self.answered > before + 2 * len(self.threads), 30, "answers after the fault")
        finally:
            self.ending = True
            for thread in self.threads:
                thread.join()
