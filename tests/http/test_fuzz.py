"""Mutated requests, from fixed seeds: whatever comes, the server lives, and it answers nothing but HTTP."""
import random

import pytest

from cases import BODY, CHUNK, END, chunked
from cases import get as get_request
from cases import request
from client import Client, talk

SEEDS = [
    request(BODY),
    request(BODY, "Expect: 100-continue", "Connection: keep-alive, x"),
    chunked(CHUNK + END),
    chunked(b"1;a=b\r\n{\r\n10\r\n" + BODY[1:].encode() + b"\r\n0\r\nX-A: b\r\n\r\n"),
    get_request("/request?a=b", "X-Test: c"),
    get_request("http://x:80/%68ealth", "Upgrade: x", "Connection: Upgrade"),
    get_request("/slow?ms=2") + get_request() * 3,
]
WORDS = [b"\r\n", b"\r", b"\n", b"\0", b" ", b":", b";", b"%", b"0", b"ffffffffffffffff", b"Content-Length: 5\r\n", b"\xff"]
WORDS += [b"Transfer-Encoding: chunked\r\n", b"HTTP/1.1", b"Host: x\r\n", b"-1", b"a" * 300, b"\x80\x81", b"0\r\n\r\n"]


def mutate(data, chance):
    data = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(5)
        if kind == 0 and at < len(data):
            data[at] = chance.randrange(256)
        elif kind == 1:
            del data[at : at + chance.randint(1, 10)]
        elif kind == 2:
            data[at:at] = chance.choice(WORDS)
        elif kind == 3:
            end = min(len(data), at + chance.randint(1, 40))
            data[at:at] = data[at:end]
        else:
            data[at:] = data[at:] + chance.choice(SEEDS)[: chance.randint(1, 60)]
    return bytes(data)


@pytest.mark.parametrize("seed", range(4))
def test_mutated_requests_get_only_http_and_the_server_lives(start_echo, seed):
    server = start_echo(body_ms=100, header_ms=100, idle_ms=100)
    chance = random.Random(seed)
    for _ in range(400):
        data = mutate(chance.choice(SEEDS), chance)
        split = chance.randrange(len(data) + 1)
        with Client(server.address) as client:
            client.send(data[:split])
            client.send(data[split:])
            client.end()
            reply = client.receive_to_end()
            assert reply.closed, data
            known = {100, 200, 204, 400, 404, 405, 408, 413, 414, 415, 417, 422, 431, 501, 505}
            assert set(reply.statuses) <= known, (data, reply.raw)
    assert talk(server.address, request(BODY)).statuses == [200]
