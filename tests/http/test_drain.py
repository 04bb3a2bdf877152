"""Signals, drains and restarts: no request whose bytes were sent is lost."""
import signal
import threading
import time

import pytest

from cases import BODY, get as get_request
from cases import request
from client import Client, get, talk
from pace import SLOWNESS
from servers import Server, echo_command

pytestmark = pytest.mark.alone


def test_an_idle_server_ends_at_once(start_echo):
    server = start_echo()
    begin = time.monotonic()
    server.signal()
    assert server.wait() == 0
    assert time.monotonic() - begin < 0.5 * SLOWNESS


def test_a_request_in_progress_is_answered_and_then_the_server_ends(start_echo):
    server = start_echo()
    with Client(server.address) as waiting, Client(server.address) as sending, Client(server.address) as idle:
        waiting.send(get_request("/slow?ms=600"))
        sending.send(request(BODY)[:30])
        time.sleep(0.1)
        server.signal(signal.SIGINT)
        time.sleep(0.1)
        idle.send(get_request())
        reply = idle.receive()
        assert reply.statuses == [503] and reply.answers[0].body == b"draining\n"
        assert reply.answers[0].fields["connection"] == "close"
        sending.send(request(BODY)[30:])
        for client in (waiting, sending):
            reply = client.receive_to_end()
            assert reply.statuses == [200] and reply.closed and not reply.reset
            assert reply.answers[0].fields["connection"] == "close"
    assert server.wait() == 0


def test_pipelined_requests_that_have_come_are_all_answered(start_echo):
    server = start_echo()
    with Client(server.address) as client:
        client.send(get_request("/slow?ms=400") + request(BODY) + get_request("/slow?ms=100"))
        time.sleep(0.1)
        server.signal()
        reply = client.receive_to_end()
    assert reply.statuses == [200, 200, 200] and not reply.reset
    assert [answer.fields.get("connection") for answer in reply.answers] == [None, None, "close"]
    assert server.wait() == 0


def test_connections_in_the_accept_queue_are_answered(start_echo):
    server = start_echo()
    server.signal(signal.SIGSTOP)
    # More than the server accepts in one pass of its loop.
    clients = [Client(server.address) for _ in range(300)]
    for client in clients:
        client.send(request(BODY))
    server.signal(signal.SIGTERM)
    server.signal(signal.SIGCONT)
    for client in clients:
        reply = client.receive_to_end()
        assert reply.statuses == [200] and not reply.reset
        client.socket.close()
    assert server.wait() == 0


def test_idle_connections_get_a_second(start_echo):
    server = start_echo()
    with Client(server.address) as used, Client(server.address) as fresh:
        used.send(get_request())
        used.receive()
        begin = time.monotonic()
        server.signal()
        assert used.receive_to_end().closed and fresh.receive_to_end().closed
        assert 0.8 < time.monotonic() - begin < 2 * SLOWNESS
    assert server.wait() == 0


def test_a_drain_takes_no_longer_than_its_limit(start_echo):
    server = start_echo(drain_ms=500)
    with Client(server.address) as client:
        client.send(get_request("/never"))
        time.sleep(0.1)
        begin = time.monotonic()
        server.signal()
        assert client.receive_to_end().closed
        assert 0.4 < time.monotonic() - begin < 1.2 * SLOWNESS
    assert server.wait() == 0


def test_a_second_signal_ends_at_once(tmp_path, start_echo):
    server = Server(echo_command(), tmp_path / "twice")
    try:
        with Client(server.address) as client:
            client.send(get_request("/never"))
            time.sleep(0.1)
            server.signal()
            time.sleep(0.1)
            server.signal()
            assert client.receive_to_end(0.5 * SLOWNESS).closed
        assert server.wait() == 3
    finally:
        server.process.kill()


def test_a_server_can_be_started_on_the_same_port_at_once(start_echo):
    first = start_echo()
    talk(first.address, request(BODY, "Connection: close"))
    with Client(first.address) as client:
        client.send(get_request())
        client.receive()
        first.signal()
        first.wait()
        second = start_echo(port=first.address[1])
        assert second.address == first.address
        assert get(second.address, "/health").status == 200


def one_client(address, stop, results):
    """Sends request after request until refused. Records, for each whose bytes were all sent, what became of it."""
    while not stop.is_set():
        try:
            client = Client(address)
        except OSError:
            results.append("refused")
            return
        with client:
            for i in range(1, 1000):
                path = "/slow?ms=3" if i % 5 == 0 else "/health"
                client.raw = b""
                if not client.send(get_request(path)):
                    results.append("not sent")
                    break
                reply = client.receive()
                if not reply.statuses:
                    results.append("reset" if reply.reset else "nothing")
                    break
                if not reply.answers[0].is_whole:
                    results.append("cut")
                    break
                results.append(reply.statuses[0])
                if reply.answers[0].fields.get("connection") == "close":
                    break


def test_a_drain_under_load_loses_no_request(start_echo):
    server = start_echo()
    stop = threading.Event()
    results = [[] for _ in range(16)]
    threads = [threading.Thread(target=one_client, args=(server.address, stop, mine)) for mine in results]
    for thread in threads:
        thread.start()
    time.sleep(0.7)
    server.signal()
    assert server.wait() == 0
    for thread in threads:
        thread.join(60)
    outcomes = [outcome for mine in results for outcome in mine]
    assert len(outcomes) > 200 / SLOWNESS
    # /health says 503 while draining; every client ends by being refused a new connection.
    assert set(outcomes) <= {200, 503, "refused"}, {o: outcomes.count(o) for o in set(outcomes)}
    assert outcomes.count("refused") == len(threads)
