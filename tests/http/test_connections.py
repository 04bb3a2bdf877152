"""Clients that leave, that only half leave, and many of them."""
import os
import resource
import socket
import struct
import subprocess
import sys
import time

import pytest

from cases import BODY, CHUNK, chunked
from cases import get as get_request
from cases import request
from client import Client, get, talk, wait_for

pytestmark = pytest.mark.alone


def reset(client):
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()


@pytest.mark.parametrize("leave", [lambda client: client.socket.close(), reset], ids=["close", "reset"])
@pytest.mark.parametrize("data", [request(BODY), chunked(CHUNK + b"0\r\nX-A: b\r\n\r\n")], ids=["length", "chunked"])
def test_a_client_may_leave_at_every_byte(echo, data, leave):
    for length in range(len(data) + 1):
        client = Client(echo.address)
        client.send(data[:length])
        leave(client)
    assert wait_for(lambda: echo.counters()["connections"] == 1)
    counters = echo.counters()
    assert counters["ended"] == counters["begun"] - 1


def test_a_client_that_leaves_ends_its_exchange_at_once(start_echo):
    server = start_echo()
    for leave in (lambda client: client.socket.close(), reset):
        before = server.counters()["left"]
        client = Client(server.address)
        client.send(get_request("/slow?ms=1500"))
        time.sleep(0.1)
        leave(client)
        assert wait_for(lambda: server.counters()["left"] == before + 1, 1.0)


def test_a_client_that_leaves_behind_unread_requests_ends_its_exchange(start_echo):
    """The server has stopped reading; only a reset can tell it."""
    server = start_echo()
    client = Client(server.address)
    client.socket.setblocking(False)
    client.socket.send(get_request("/slow?ms=1500"))
    time.sleep(0.05)
    sent = 0
    try:
        while sent < 200_000:
            sent += client.socket.send(get_request() * 100)
    except BlockingIOError:
        pass
    assert sent > 65536
    time.sleep(0.1)
    reset(client)
    assert wait_for(lambda: server.counters()["left"] == 1, 1.0)


def test_a_client_that_only_stops_sending_gets_its_answers(echo):
    for data, count in [(request(BODY), 1), (get_request("/slow?ms=100"), 1), (request(BODY) * 3, 3)]:
        with Client(echo.address) as client:
            client.send(data)
            client.end()
            reply = client.receive_to_end()
            assert reply.statuses == [200] * count and reply.closed and not reply.reset


def test_a_client_that_stops_sending_and_waits_long_is_asked_by_an_interim_answer(echo):
    with Client(echo.address) as client:
        client.send(get_request("/slow?ms=500"))
        client.end()
        reply = client.receive_to_end()
        assert reply.statuses == [100, 200] and reply.closed
    with Client(echo.address) as client:
        client.send(get_request("/slow?ms=500", version="HTTP/1.0"))
        client.end()
        assert client.receive_to_end().statuses == [200]


def test_a_client_that_stops_sending_within_a_request_gets_nothing(echo):
    for data in [b"GET /health HT", request(BODY)[:-1], chunked(CHUNK)]:
        with Client(echo.address) as client:
            client.send(data)
            client.end()
            reply = client.receive_to_end()
            assert reply.statuses == [] and reply.closed


def test_urgent_data_does_not_keep_the_server_busy(start_echo):
    server = start_echo()
    with Client(server.address) as client:
        client.send(get_request("/slow?ms=800"))
        client.socket.send(b"!", socket.MSG_OOB)
        time.sleep(0.1)
        before = server.cpu_seconds()
        time.sleep(0.5)
        assert server.cpu_seconds() - before < 0.1
    assert get(server.address, "/health").status == 200


def test_connections_over_the_maximum_get_503_and_the_others_go_on(start_echo):
    server = start_echo(max_connections=3)
    held = [Client(server.address) for _ in range(3)]
    for client in held:
        client.send(get_request())
        assert client.receive().statuses == [200]
    for _ in range(10):
        reply = talk(server.address, request(BODY), quiet=2.0)
        assert reply.statuses == [503] and reply.closed and not reply.reset
        assert reply.answers[0].fields["retry-after"] == "1"
    held[0].send(get_request())
    assert held[0].receive(2).statuses == [200, 200]
    held.pop().socket.close()
    assert wait_for(lambda: talk(server.address, get_request(), quiet=0.0).statuses == [200])
    for client in held:
        client.socket.close()


def test_a_server_out_of_descriptors_waits_without_work_and_goes_on(start_echo):
    server = start_echo()
    used = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (used + 5, used + 5))
    clients = [Client(server.address) for _ in range(20)]
    for client in clients:
        client.send(get_request())
    time.sleep(0.2)
    before = server.cpu_seconds()
    time.sleep(0.5)
    assert server.cpu_seconds() - before < 0.1
    answered = 0
    # As those that were let in leave, the others come in.
    for client in clients:
        answered += client.receive(1).statuses == [200]
        client.socket.close()
    assert answered == 20


HOLD = """
import resource, select, socket, sys
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
request = b"GET /health HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"
held = []
for _ in range(count):
    s = socket.create_connection((host, port))
    s.sendall(request)
    held.append(s)
    if len(held) % 100 == 0:
        for s in held[-100:]:
            assert s.recv(4096).startswith(b"HTTP/1.1 200")
print("held", flush=True)
sys.stdin.readline()
for s in held:
    s.sendall(request)
for s in held:
    assert s.recv(4096).startswith(b"HTTP/1.1 200")
print("answered", flush=True)
"""


def test_ten_thousand_idle_connections_cost_at_most_2_kib_each_and_all_still_work(start_echo):
    count = 10_000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < count + 300:
        pytest.skip(f"the hard limit of open files is {hard}")
    server = start_echo(max_connections=count + 10)
    talk(server.address, get_request(), quiet=0.0)
    before = server.resident_bytes()
    host, port = server.address
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, host, str(port), str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        each = (server.resident_bytes() - before) / count
        assert server.counters()["connections"] == count + 1
        print(f"{each:.0f} resident bytes a connection")
        if not server.is_sanitized():
            assert each <= 2048
        holder.stdin.write("\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "answered\n"
    finally:
        holder.kill()
        holder.wait()
