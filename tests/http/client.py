"""Raw sockets for tests: what was sent is known to the byte, and so is what came back."""
import contextlib
import re
import socket
import time
from dataclasses import dataclass, field

from pace import SLOWNESS


@dataclass
class Answer:
    status: int
    fields: dict
    body: bytes
    is_whole: bool = True


@dataclass
class Reply:
    """All that came back on one connection."""

    raw: bytes = b""
    answers: list = field(default_factory=list)
    closed: bool = False
    reset: bool = False

    @property
    def statuses(self):
        return [answer.status for answer in self.answers]


def parse_answers(raw, head_requests=()):
    """Splits bytes into answers by their own framing. `head_requests`: which final answers, counted from 0, are to HEAD."""
    answers, at, final = [], 0, 0
    while at < len(raw):
        end = raw.find(b"\r\n\r\n", at)
        if end < 0:
            break
        lines = raw[at:end].decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.1 (\d{3}) [ -~]*", lines[0])
        assert match, f"no status line: {lines[0]!r}"
        fields = {}
        for line in lines[1:]:
            name, colon, value = line.partition(": ")
            assert colon, f"no header field: {line!r}"
            fields[name.lower()] = value
        status, at = int(match[1]), end + 4
        if status < 200:
            answers.append(Answer(status, fields, b""))
            continue
        length = 0 if status == 204 or final in head_requests else int(fields["content-length"])
        final += 1
        body = raw[at : at + length]
        answers.append(Answer(status, fields, body, len(body) == length))
        at += length
    return answers


class Client:
    def __init__(self, address, timeout=60.0, receive_buffer=None):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.raw = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """False where the server has closed already; what it said before still counts."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def end(self):
        """Sends no more; where the server has closed already, there is nothing to end."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def receive(self, count=1, wait=60.0, head_requests=(), quiet=0.0):
        """Reads until `count` whole final answers and then `quiet` seconds of silence, the end, or `wait` seconds."""
        reply = Reply()
        end = time.monotonic() + wait
        while True:
            reply.raw, reply.answers = self.raw, parse_answers(self.raw, head_requests)
            final = [answer for answer in reply.answers if answer.status >= 200]
            enough = len(final) >= count and all(answer.is_whole for answer in final)
            if enough and quiet == 0:
                return reply
            left = end - time.monotonic()
            if left <= 0:
                return reply
            self.socket.settimeout(min(left, quiet) if enough else left)
            try:
                chunk = self.socket.recv(1 << 20)
            except TimeoutError:
                if enough:
                    return reply
                continue
            except OSError:
                reply.closed = reply.reset = True
                return reply
            if not chunk:
                reply.closed = True
                return reply
            self.raw += chunk

    def receive_to_end(self, wait=60.0):
        return self.receive(count=1 << 30, wait=wait)


def talk(address, data, count=1, wait=60.0, piece=0, head_requests=(), quiet=0.15):
    """One connection: sends, whole or in pieces, and reads `count` answers or to the end."""
    with Client(address) as client:
        for at in range(0, len(data), piece or max(len(data), 1)):
            if not client.send(data[at : at + (piece or len(data))]):
                break
            if piece:
                time.sleep(0.0005)
        return client.receive(count, wait, head_requests, quiet)


def wait_for(condition, seconds=3.0):
    """Whether it came to hold within `seconds`, ten times as long under a sanitizer."""
    end = time.monotonic() + seconds * SLOWNESS
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def get(address, path, *fields, wait=60.0):
    lines = [f"GET {path} HTTP/1.1", "Host: test", "Connection: close", *fields]
    reply = talk(address, ("\r\n".join(lines) + "\r\n\r\n").encode(), wait=wait, quiet=0.0)
    assert len(reply.answers) == 1, reply
    return reply.answers[0]
