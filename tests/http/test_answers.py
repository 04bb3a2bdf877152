"""What answers look like, and what the handler sees of a request."""
import email.utils
import json
import re
import subprocess
import threading
import time

from cases import BODY, get as get_request
from cases import request
from client import Client, get, talk
from pace import SLOWNESS
from servers import ECHO


def test_an_answer_carries_length_date_type_and_request_id(echo):
    answer = talk(echo.address, request(BODY), quiet=0.0).answers[0]
    assert answer.fields["content-length"] == str(len(answer.body))
    assert answer.fields["content-type"] == "application/json"
    assert re.fullmatch(r"[0-9a-f]{32}", answer.fields["x-request-id"])
    assert "connection" not in answer.fields
    date = email.utils.parsedate_to_datetime(answer.fields["date"])
    assert abs(date.timestamp() - time.time()) < 3


def test_two_requests_get_two_request_ids(echo):
    first, second = talk(echo.address, request(BODY) * 2, 2, quiet=0.0).answers
    assert first.fields["x-request-id"] != second.fields["x-request-id"]


def test_a_sane_request_id_is_kept_and_another_is_replaced(echo):
    for sane in ["a", "A-b_c.9", "x" * 64]:
        assert get(echo.address, "/health", f"X-Request-Id: {sane}").fields["x-request-id"] == sane
    for strange in ["", "x" * 65, "a b", 'a"b', "a\tb", "caf\u00e9"]:
        answer = talk(echo.address, get_request("/health", f"X-Request-Id: {strange}"), quiet=0.0).answers[0]
        assert re.fullmatch(r"[0-9a-f]{32}", answer.fields["x-request-id"]), strange


def test_the_path_is_decoded_and_the_query_is_not(echo):
    body = get(echo.address, "/%72equest?a=%20b&c?d", "X-Test:  one two ", "x-test: three").body
    assert body == b"GET\n/request\na=%20b&c?d\none two\n"


def test_the_handler_sees_get_where_head_was_sent(echo):
    head = talk(echo.address, get_request("/request", method="HEAD"), head_requests=(0,)).answers[0]
    assert head.body == b"" and head.fields["content-length"] == str(len("GET\n/request\n\n-\n"))


def test_a_body_comes_back_as_it_was_sent(echo):
    body = bytes(range(256)) * 8000
    data = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with Client(echo.address) as client:
        assert client.send(data)
        assert client.receive().answers[0].body == body


def test_a_chunked_body_comes_back_whole(echo):
    body = bytes(range(256)) * 64
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[at : at + 77]), body[at : at + 77]) for at in range(0, len(body), 77))
    data = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    assert talk(echo.address, data, quiet=0.0).answers[0].body == body
    assert talk(echo.address, data, piece=500, quiet=0.0).answers[0].body == body


def test_a_client_that_expects_100_gets_it_before_it_sends_the_body(echo):
    with Client(echo.address) as client:
        client.send(request(BODY, "Expect: 100-continue")[: -len(BODY)])
        time.sleep(0.1)
        assert client.receive(0).statuses == []
        interim = client.receive(1, wait=0.2 * SLOWNESS)
        assert interim.statuses == [100]
        client.send(BODY.encode())
        assert client.receive(1).statuses == [100, 200]


def test_a_refused_body_is_not_asked_for(echo):
    for data, status in [
        (request("", "Content-Length: 900000000", "Expect: 100-continue", length=False), 413),
        (request("", "Content-Length: 9", "Expect: 100-continue", length=False, kind="Content-Type: text/plain"), 415),
    ]:
        reply = talk(echo.address, data, quiet=2.0)
        assert reply.statuses == [status] and reply.closed


def test_an_answer_before_the_body_closes_and_arrives(echo):
    reply = talk(echo.address, request("x" * 1_000_000, kind="Content-Type: text/plain"), quiet=2.0)
    assert reply.statuses == [415] and reply.closed and not reply.reset
    assert reply.answers[0].fields["connection"] == "close"


def test_a_refused_request_without_a_body_keeps_the_connection(echo):
    reply = talk(echo.address, get_request("/nope") + get_request("/health"), 2)
    assert reply.statuses == [404, 200] and not reply.closed


def test_late_answers_of_a_pipeline_keep_their_order(echo):
    data = get_request("/slow?ms=60") + get_request("/request?2") + get_request("/slow?ms=1") + get_request("/request?4")
    reply = talk(echo.address, data, 4)
    assert [answer.body for answer in reply.answers] == [b"late\n", b"GET\n/request\n2\n-\n", b"late\n", b"GET\n/request\n4\n-\n"]


def test_a_deep_pipeline_behind_a_late_answer_is_answered_whole(echo):
    """More than the server keeps of unread input: it stops reading, and goes on."""
    count = 6000
    data = get_request("/slow?ms=150") + get_request("/health") * count
    assert len(data) > 2 * 65536
    with Client(echo.address) as client:
        sender = threading.Thread(target=client.socket.sendall, args=(data,))
        sender.start()
        reply = client.receive(count + 1)
        sender.join()
    assert reply.statuses == [200] * (count + 1)


def test_work_off_the_loop_is_answered(echo):
    assert get(echo.address, "/offload").body == b"late\n"


def test_cors_is_off_by_default_and_on_every_answer_where_asked(echo, start_echo):
    assert "access-control-allow-origin" not in get(echo.address, "/health").fields
    assert talk(echo.address, get_request("/nope", method="OPTIONS")).statuses == [404]
    server = start_echo(cors_origin="*")
    for data, status in [(get_request(), 200), (get_request("/nope"), 404), (b"bad\r\n\r\n", 400)]:
        answer = talk(server.address, data).answers[0]
        assert answer.status == status and answer.fields["access-control-allow-origin"] == "*"
        assert "vary" not in answer.fields and "access-control-allow-headers" not in answer.fields


def test_of_several_cors_origins_the_one_that_asks_is_named(start_echo):
    server = start_echo(cors_origin="https://a.example, https://c.example,http://localhost:3000, ")
    for origin in ("https://a.example", "https://c.example", "http://localhost:3000"):
        answer = talk(server.address, get_request("/health", f"Origin: {origin}")).answers[0]
        assert answer.fields["access-control-allow-origin"] == origin and answer.fields["vary"] == "Origin"
        assert answer.fields["access-control-expose-headers"] == "*"
    for origin in ("https://a.example.evil", "https://a.exampl", "http://a.example", "null", "", ","):
        answer = talk(server.address, get_request("/health", f"Origin: {origin}")).answers[0]
        assert "access-control-allow-origin" not in answer.fields and answer.fields["vary"] == "Origin", origin


def test_the_access_log_has_a_line_for_every_answer(start_echo):
    server = start_echo(access_log="on")
    talk(server.address, get_request('/health?secret', "X-Request-Id: abc") + request(BODY), 2)
    talk(server.address, b"bad\r\n\r\n")
    server.stop()
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if '"request"' in line]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("GET", "/health", 200),
        ("POST", "/age", 200),
        ("-", "-", 400),
    ]
    assert lines[0]["request_id"] == "abc" and lines[0]["bytes"] == 3 and lines[0]["ms"] >= 0


def test_every_answer_is_reported_and_every_exchange_ends(start_echo):
    server = start_echo()
    talk(server.address, request(BODY) * 3 + b"bad\r\n\r\n", 4)
    counters = server.counters()
    assert counters["answers"] == 4 and counters["begun"] == 4 and counters["ended"] == 3  # the one that asks is on


def test_a_port_in_use_and_a_strange_host_are_explained(echo):
    def fail(*arguments):
        done = subprocess.run([str(ECHO), *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        return done.stderr

    assert fail("--port", str(echo.address[1])).startswith("address_in_use: 127.0.0.1 port")
    assert fail("--host", "no.such.host.invalid", "--port", "0").startswith("not_found: no address for host")
    assert fail("--host", "203.0.113.1", "--port", "0").startswith("not_found: no network interface")
    assert fail("--port", "70000").startswith("usage: port 70000")
