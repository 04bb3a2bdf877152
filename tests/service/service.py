"""A running `linnet serve` for the black-box tests, and requests to it."""
import http.client
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from pace import SLOWNESS

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("LINNET_BUILD", "build/release")
LINNET = BUILD / "linnet"
MODELS = ROOT / "tests/golden/models"
LISTENING = re.compile(r"listening on http://(\S+):(\d+)")
ORIGIN = {"inputs": "I love you. I like you. I am your friend."}


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.fields = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


class Service:
    """Listens on a port that the system picked. What it says goes to `log`."""

    def __init__(self, log, *arguments, wait=True, environment=None):
        self.log = log
        if SLOWNESS > 1 and "--request-timeout" not in arguments:
            arguments += ("--request-timeout", 600000)
        self.process = subprocess.Popen(
            [LINNET, "serve", "--port", "0", *map(str, arguments)],
            stdout=log.open("wb"), stderr=subprocess.STDOUT, env=dict(os.environ, **(environment or {})))
        self.port = int(self.await_log(LISTENING)[2])
        if wait:
            self.await_ready()

    def await_log(self, pattern, seconds=300):
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.log.read_text(errors="replace"))):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.005)
        return found

    def await_ready(self, seconds=300):
        end = time.monotonic() + seconds
        while self.get("/health").status != 200:
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.005)

    def connection(self, timeout=600):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def request(self, method, path, body=None, **fields):
        connection = self.connection()
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in fields.items()})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, value, **fields):
        body = value if isinstance(value, (bytes, str)) else json.dumps(value)
        return self.request("POST", path, body, **{"content_type": "application/json", **fields})

    def resident_kib(self, which="VmRSS"):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(which + r":\s+(\d+)", status)[1])

    def is_sanitized(self):
        return any(word in Path(f"/proc/{self.process.pid}/maps").read_text() for word in ("libasan", "libtsan"))

    def end(self, number=signal.SIGTERM, seconds=300):
        """Ends it and returns its exit status. Sanitizers must have had nothing to say."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        text = self.log.read_text(errors="replace")
        assert "Sanitizer" not in text and "runtime error" not in text, text
        return self.process.returncode


def linnet(*arguments, stdin=b"", environment=None, timeout=900):
    """A finished command."""
    return subprocess.run([LINNET, *map(str, arguments)], input=stdin, capture_output=True, timeout=timeout,
                          env=dict(os.environ, **(environment or {})))
