"""Starting the servers that the HTTP tests talk to.

LINNET_BUILD        the build directory (build/release), where tests/http/echo_server is
LINNET_HTTP_SERVER  another command line to run the cases of cases.py against, such as
                    "build/release/src/cli/linnet serve MODEL --host 127.0.0.1 --port 0"; what needs the echo server is skipped
LINNET_HTTP_ADDRESS a pattern with the groups host and port, to be found in a line that the server prints
"""
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from client import get

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("LINNET_BUILD", "build/release")
ECHO = BUILD / "tests/http/echo_server"
OTHER = os.environ.get("LINNET_HTTP_SERVER")
ADDRESS = re.compile(os.environ.get("LINNET_HTTP_ADDRESS", r"https?://(?P<host>[0-9.]+):(?P<port>\d+)"))


class Server:
    def __init__(self, command, log):
        self.log = log
        self.process = subprocess.Popen(command, stdout=log.open("wb"), stderr=subprocess.STDOUT, cwd=ROOT)
        end = time.monotonic() + 60
        while not (found := ADDRESS.search(log.read_text())):
            assert self.process.poll() is None, f"{command} ended: {log.read_text()}"
            assert time.monotonic() < end, f"{command} printed no address: {log.read_text()}"
            time.sleep(0.01)
        self.address = (found["host"], int(found["port"]))

    def counters(self):
        return json.loads(get(self.address, "/counters").body)

    def resident_bytes(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def is_sanitized(self):
        return any(word in Path(f"/proc/{self.process.pid}/maps").read_text() for word in ("libasan", "libtsan"))

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, seconds=60):
        return self.process.wait(seconds)

    def stop(self):
        """Ends the server, which must have run well: its exit status also says whether every exchange ended once."""
        if self.process.poll() is None:
            self.signal()
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        text = self.log.read_text(errors="replace")
        assert self.process.returncode == 0, f"exit status {self.process.returncode}: {text}"
        assert "Sanitizer" not in text and "runtime error" not in text, text


def echo_command(**options):
    if not ECHO.exists():
        pytest.fail(f"{ECHO} is not built: set LINNET_BUILD to the build directory")
    flags = [part for name, value in options.items() for part in ("--" + name.replace("_", "-"), str(value))]
    return [str(ECHO), "--port", "0", *flags]
