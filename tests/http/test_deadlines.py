"""Deadlines are total times: a byte now and then does not extend them."""
import threading
import time

import pytest

from cases import BODY, get as get_request
from cases import request
from client import Client, talk, wait_for
from pace import SLOWNESS

pytestmark = pytest.mark.alone


def drip(client, data, pause, stop):
    for at in range(len(data)):
        if stop.wait(pause) or not client.send(data[at : at + 1]):
            return


def drip_and_read(address, first, rest, wait=60.0):
    stop = threading.Event()
    with Client(address) as client:
        client.send(first)
        begin = time.monotonic()
        thread = threading.Thread(target=drip, args=(client, rest, 0.05, stop))
        thread.start()
        reply = client.receive_to_end(wait)
        seconds = time.monotonic() - begin
        stop.set()
        thread.join()
    return reply, seconds


def test_a_header_that_drips_is_ended_with_408(start_echo):
    server = start_echo(header_ms=400)
    reply, seconds = drip_and_read(server.address, b"G", b"ET / HTTP/1.1\r\nX-A: " + b"a" * 1000)
    assert reply.statuses == [408] and reply.closed and not reply.reset
    assert 0.35 < seconds < 1.5 * SLOWNESS
    assert reply.answers[0].fields["connection"] == "close"


def test_a_body_that_drips_is_ended_with_408(start_echo):
    server = start_echo(body_ms=400)
    data = request("x" * 1000)
    reply, seconds = drip_and_read(server.address, data[:-999], data[-999:])
    assert reply.statuses == [408] and reply.closed and not reply.reset
    assert 0.35 < seconds < 1.5 * SLOWNESS


def test_chunks_that_drip_are_ended_with_408(start_echo):
    server = start_echo(body_ms=400)
    head = request("", "Transfer-Encoding: chunked", length=False)
    reply, seconds = drip_and_read(server.address, head, b"1\r\n \r\n" * 200)
    assert reply.statuses == [408] and reply.closed
    assert 0.35 < seconds < 1.5 * SLOWNESS


def test_each_request_of_a_connection_has_its_own_header_time(start_echo):
    server = start_echo(header_ms=400)
    with Client(server.address) as client:
        for i in range(4):
            client.send(get_request())
            assert client.receive(i + 1).statuses == [200] * (i + 1)
            time.sleep(0.2)


def test_an_idle_connection_is_closed_without_a_word(start_echo):
    server = start_echo(idle_ms=300)
    for data, answers in [(b"", []), (get_request(), [200]), (b"\r\n", [])]:
        with Client(server.address) as client:
            client.send(data)
            begin = time.monotonic()
            reply = client.receive_to_end()
            assert reply.statuses == answers and reply.closed and not reply.reset
            assert 0.25 < time.monotonic() - begin < 1.5 * SLOWNESS


def test_empty_lines_do_not_keep_a_connection_open(start_echo):
    server = start_echo(idle_ms=400)
    reply, seconds = drip_and_read(server.address, b"\r\n", b"\r\n" * 60)
    assert reply.statuses == [] and reply.closed
    assert 0.35 < seconds < 1.5 * SLOWNESS


def test_a_request_without_an_answer_in_time_gets_504_and_the_connection_stays(start_echo):
    server = start_echo(request_ms=300)
    with Client(server.address) as client:
        begin = time.monotonic()
        client.send(get_request("/never") + get_request("/slow?ms=1500") + get_request())
        reply = client.receive(3)
        assert reply.statuses == [504, 504, 200]
        assert 0.55 < time.monotonic() - begin < 2 * SLOWNESS
        assert not client.receive(4, wait=1.3).closed


def test_a_client_that_does_not_read_is_reset(start_echo):
    server = start_echo(write_ms=500)
    with Client(server.address, receive_buffer=4096) as client:
        client.send(get_request("/large?bytes=30000000"))
        assert wait_for(lambda: server.counters()["connections"] == 1, 1.2)  # the one that asks
        reply = client.receive_to_end()
        assert reply.closed and not reply.answers[0].is_whole


def test_a_slow_reader_gets_the_whole_of_a_large_answer(echo):
    size = 5_000_000
    with Client(echo.address, receive_buffer=65536) as client:
        client.send(get_request(f"/large?bytes={size}") + get_request())
        received = b""
        begin = time.monotonic()
        client.socket.settimeout(60)
        while len(received) < size and time.monotonic() - begin < 60:
            received += client.socket.recv(65536)
            time.sleep(0.002)
        client.raw = received
        reply = client.receive(2)
    assert reply.statuses == [200, 200]
    expected = (b"abcdefghijklmnopqrstuvwxyz" * (size // 26 + 1))[:size]
    assert reply.answers[0].body == expected


def test_an_idle_server_uses_no_processor_time(start_echo):
    server = start_echo()
    with Client(server.address) as client:
        client.send(get_request())
        client.receive()
        before = server.cpu_seconds()
        time.sleep(1.0)
        assert server.cpu_seconds() - before <= 0.01


def test_cases_hold_with_small_limits(start_echo):
    server = start_echo(max_header_bytes=200, max_body_bytes=20)
    head = get_request("/health", "X-A: ")
    room = 200 - len(head)
    assert talk(server.address, get_request("/health", "X-A: " + "a" * room)).statuses == [200]
    assert talk(server.address, get_request("/health", "X-A: " + "a" * (room + 1))).statuses == [431]
    assert talk(server.address, get_request("/health", "X-A: " + "a" * room), piece=7).statuses == [200]
    assert talk(server.address, request(BODY)).statuses == [200]
    assert talk(server.address, request(BODY + "    ")).statuses == [413]
    chunked = request("", "Transfer-Encoding: chunked", length=False)
    assert talk(server.address, chunked + b"11\r\n" + BODY.encode() + b"\r\n3\r\n   \r\n0\r\n\r\n").statuses == [200]
    assert talk(server.address, chunked + b"11\r\n" + BODY.encode() + b"\r\n4\r\n    \r\n0\r\n\r\n").statuses == [413]
