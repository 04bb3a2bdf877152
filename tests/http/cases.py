"""What any strict HTTP/1.1 server with a JSON endpoint at POST /age must answer, whatever else it serves.

A case is bytes sent on a fresh connection, and what comes back: one of several lists of statuses, in order, and whether
the connection then ends. Nothing here depends on the echo server: the same cases run against any command line
(see conftest.py).
"""
from dataclasses import dataclass

BODY = '{"inputs":"good"}'
LENGTH = len(BODY)


@dataclass
class Case:
    name: str
    data: bytes
    statuses: list  # of allowed lists
    closes: bool | None = None  # None: either
    has: bytes = b""
    piece: int = 0
    head: tuple = ()


CASES = []


def case(name, data, *statuses, **rest):
    CASES.append(Case(name, data, [s if isinstance(s, list) else [s] for s in statuses], **rest))


def request(body, *fields, line="POST /age HTTP/1.1", host="Host: x", length=True, kind="Content-Type: application/json"):
    lines = [line, *([host] if host else []), *([kind] if kind else []), *fields]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body.encode()


def chunked(raw, *fields, **rest):
    return request("", *(fields or ("Transfer-Encoding: chunked",)), length=False, **rest) + raw


def get(target="/health", *fields, version="HTTP/1.1", method="GET", host="Host: x"):
    lines = [f"{method} {target} {version}", *([host] if host else []), *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


CHUNK = b"%x\r\n%s\r\n" % (LENGTH, BODY.encode())
END = b"0\r\n\r\n"

# --- What must work
case("a request is answered and the connection stays", request(BODY), 200, closes=False, has=b'"label"')
case("one byte at a time is the same request", request(BODY), 200, closes=False, piece=1)
case("three bytes at a time is the same chunked request", chunked(CHUNK + END), 200, closes=False, piece=3)
case("a chunked body", chunked(CHUNK + END), 200, closes=False)
case("a body in chunks of one byte", chunked(b"".join(b"1\r\n%c\r\n" % c for c in BODY.encode()) + END), 200)
case("a chunk size in capitals with leading zeros", chunked(b"00%X\r\n%s\r\n" % (LENGTH, BODY.encode()) + END), 200)
case("a small chunk extension", chunked(b'%x;a=b;c="d e"\r\n%s\r\n' % (LENGTH, BODY.encode()) + END), 200)
case("an extension of the last chunk", chunked(CHUNK + b"0;last\r\n\r\n"), 200)
case("trailers", chunked(CHUNK + b"0\r\nX-A: 1\r\nX-B: 2\r\n\r\n"), 200, closes=False)
case("pipelined requests are answered in order", request(BODY) + get() + request(BODY), [200, 200, 200], closes=False)
case("a pipeline ends where a request asks to close", request(BODY, "Connection: close") + get(), 200, closes=True)
case("Connection: close in a list", request(BODY, "Connection: x, Close"), 200, closes=True)
case("HTTP/1.0 closes", request(BODY, line="POST /age HTTP/1.0", host=None), 200, closes=True)
case(
    "HTTP/1.0 stays open where it asks to",
    request(BODY, "Connection: keep-alive", line="POST /age HTTP/1.0"),
    200,
    closes=False,
    has=b"Connection: keep-alive\r\n",
)
case("an absolute target", request(BODY, line="POST http://x/age HTTP/1.1"), 200)
case("an absolute target with another host than the field", request(BODY, line="POST http://y:80/age HTTP/1.1"), 200)
case("a query", request(BODY, line="POST /age?a=b%20c&d HTTP/1.1"), 200)
case("an escaped path", request(BODY, line="POST /%61g%65 HTTP/1.1"), 200)
case("empty lines before a request", b"\r\n\r\n" + request(BODY), 200, closes=False)
case("an empty line between requests", request(BODY) + b"\r\n" + request(BODY), [200, 200], closes=False)
case("names of fields in any case", request(BODY, length=False).replace(b"\r\n\r\n", b"\r\ncOnTeNt-LeNgTh: 17\r\n\r\n", 1), 200)
case("white space around a value", request(BODY, "Connection: \t keep-alive \t "), 200, closes=False)
case("an empty value", request(BODY, "X-Empty:", "X-Other:  "), 200, closes=False)
case("bytes above ASCII in a value", request(BODY, "X-A: \xe9\xff"), 200)
case("an empty Host", request(BODY, host="Host:"), 200)
case("a Host with a port", request(BODY, host="Host: example.com:8080"), 200)
case("a Host that is an IPv6 address", request(BODY, host="Host: [::1]:8080"), 200)
case("a length of zero", get("/health", "Content-Length: 0"), 200, closes=False)
case("HEAD has a length and no body", get(method="HEAD") + get(), [200, 200], closes=False, head=(0,))
case("Expect with the body at once", request(BODY, "Expect: 100-continue"), [200], [100, 200], closes=False)
case("Expect in HTTP/1.0 is ignored", request(BODY, "Expect: 100-continue", line="POST /age HTTP/1.0"), 200, closes=True)
case("Upgrade is ignored", get("/health", "Connection: Upgrade", "Upgrade: websocket"), 200, closes=False)
case("Upgrade with a body is ignored", request(BODY, "Connection: Upgrade", "Upgrade: h2c") + get(), [200, 200])
case("OPTIONS *", get("*", method="OPTIONS"), 204, closes=False)

# --- Framing: any doubt is refused and ends the connection
case("a length and chunks", chunked(CHUNK + END, f"Content-Length: {LENGTH}", "Transfer-Encoding: chunked"), 400, closes=True)
case("chunks and a length", chunked(CHUNK + END, "Transfer-Encoding: chunked", f"Content-Length: {LENGTH}"), 400, closes=True)
case("two lengths", request(BODY, f"Content-Length: {LENGTH + 5}"), 400, closes=True)
case("the same length twice", request(BODY, f"Content-Length: {LENGTH}"), 400, closes=True)
for value in ["+17", "0x11", "-1", "1 7", "", "17;", "17, 17", "17, 18", "1_7", "17.0", "\x0b17"]:
    case(f"the length {value!r}", request(BODY, f"Content-Length: {value}", length=False), 400, closes=True)
case("a length past 64 bits", request(BODY, "Content-Length: 99999999999999999999", length=False), 400, 413, closes=True)
for value, status in {
    "xchunked": 400,
    "chunkedx": 400,
    "chunked, identity": 400,
    "gzip": 400,
    "chunked, chunked": 400,
    "identity": 400,
    "chunked;q=1": 400,
    "gzip, chunked": 501,
    "identity, chunked": 501,
    "x, chunked": 501,
}.items():
    case(f"the coding {value!r}", chunked(CHUNK + END, f"Transfer-Encoding: {value}"), status, closes=True)
case("two codings in two fields", chunked(CHUNK + END, "Transfer-Encoding: gzip", "Transfer-Encoding: chunked"), 501, closes=True)
case("chunked twice", chunked(CHUNK + END, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400, 501, closes=True)
case("an empty coding", chunked(CHUNK + END, "Transfer-Encoding:"), 400, closes=True)
case("a coding in HTTP/1.0", chunked(CHUNK + END, line="POST /age HTTP/1.0"), 400, closes=True)
case("a space before a colon", request(BODY, "X-A : b"), 400, closes=True)
case("a space before Content-Length's colon", request(BODY, f"Content-Length : {LENGTH}", length=False), 400, closes=True)
case("a folded field", request(BODY, "X-A: b\r\n c"), 400, closes=True)
case("a folded first field", request(BODY, host=" X: y"), 400, closes=True)
case("a folded Transfer-Encoding", chunked(CHUNK + END, "Transfer-Encoding:\r\n chunked"), 400, closes=True)
case("NUL in a value", request(BODY, "X-A: b\0c"), 400, closes=True)
case("a control character in a value", request(BODY, "X-A: b\x01c"), 400, closes=True)
case("CR in a value", request(BODY, "X-A: b\rc"), 400, closes=True)
case("NUL in a name", request(BODY, "X\0A: b"), 400, closes=True)
case("a field without a colon", request(BODY, "X-A"), 400, closes=True)
case("a field without a name", request(BODY, ": a"), 400, closes=True)
case("line ends without CR", request(BODY).replace(b"\r\n", b"\n"), 400, closes=True)
case("one line end without CR", request(BODY).replace(b"x\r\n", b"x\n"), 400, closes=True)
case("line ends without LF", request(BODY).replace(b"\r\n", b"\r"), 400, closes=True)
for size in [b"fffffffffffffffff", b"+11", b"-1", b"0x11", b"11 ", b" 11", b"", b"g", b"1;\x00", b"11\n", b"1 1"]:
    case(f"the chunk size {size!r}", chunked(size + b"\r\n" + BODY.encode() + b"\r\n" + END), 400, 413, closes=True)
case("a chunk longer than its size", chunked(b"5\r\n" + BODY.encode() + b"\r\n" + END), 400, closes=True)
case("a chunk that ends with LF", chunked(b"%x\r\n%s\n" % (LENGTH, BODY.encode()) + END), 400, closes=True)
case("a chunk size that ends with LF", chunked(b"%x\n%s\r\n" % (LENGTH, BODY.encode()) + END), 400, closes=True)
case("a length in the trailers", chunked(CHUNK + b"0\r\nContent-Length: 5\r\n\r\n"), 200, 400)
case("a coding in the trailers", chunked(CHUNK + b"0\r\nTransfer-Encoding: gzip\r\n\r\n"), 200, 400)
case("a smuggled request in a body is a body", request(BODY + get().decode()), 400, closes=None)

# --- Heads
case("no Host", request(BODY, host=None), 400, closes=True)
case("two Hosts", request(BODY, "Host: y"), 400, closes=True)
case("the same Host twice", request(BODY, "Host: x"), 400, closes=True)
for value in ["a b", "a/b", "a@b", "x:80a", "[::1", "::1]", "a,b c", "x:80:80", "\xe9"]:
    case(f"the Host {value!r}", request(BODY, host=f"Host: {value}"), 400, closes=True)
case("no version", b"POST /age\r\nHost: x\r\n\r\n", 400, closes=True)
case("HTTP/0.9", get(version="HTTP/0.9"), 400, 505, closes=True)
case("HTTP/1.2", get(version="HTTP/1.2"), 505, closes=True)
case("HTTP/2.0", get(version="HTTP/2.0"), 505, closes=True)
case("HTTP/11", get(version="HTTP/11"), 400, 505, closes=True)
case("HTTP/1.10", get(version="HTTP/1.10"), 400, 505, closes=True)
case("http/1.1", get(version="http/1.1"), 400, closes=True)
case("RTSP/1.0", get(version="RTSP/1.0"), 400, closes=True)
case("ICE/1.0", get(version="ICE/1.0", method="SOURCE"), 400, closes=True)
case("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, 400, closes=True)
case("TLS on the plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 40 + b"\r\n\r\n", 400, closes=True)
case("a method that is no token", request(BODY, line="PO(ST /age HTTP/1.1"), 400, closes=True)
case("a method in lower case", request(BODY, line="post /age HTTP/1.1"), 400, 501, closes=True)
case("an unknown method", request(BODY, line="BREW /age HTTP/1.1"), 400, 501, closes=True)
case("a tab in the request line", request(BODY, line="POST\t/age HTTP/1.1"), 400, closes=True)
# RFC 9112, 3, lets a server take words apart at any run of spaces.
case("two spaces in the request line", request(BODY, line="POST /age  HTTP/1.1"), 200, 400)
case("CONNECT", get("x:443", method="CONNECT"), 501, 405, 400, closes=True)
case("an escape that is none", get("/%zz"), 400, closes=True)
case("half an escape", get("/health%2"), 400, closes=True)
case("a percent sign at the end", get("/health%"), 400, closes=True)
case("an escaped NUL", get("/health%00"), 400, closes=True)
case("a fragment", get("/health#a"), 400, closes=True)
case("a byte above ASCII in the target", get("/\xe9"), 400, closes=True)
case("a target that does not begin with a slash", get("health"), 400, closes=True)
case("an asterisk for GET", get("*"), 400, closes=True)
case("another scheme", get("ftp://x/health"), 400, closes=True)
case("an absolute target without a host", get("http:///health"), 400, closes=True)
case("an absolute target without a path", get("http://x"), [200], [404], [405])
case("another expectation", request(BODY, "Expect: 42"), 417, closes=True)

# --- Limits (the defaults: a header of 16 KiB, 100 fields, a body of 2 MiB)
case("a value of 64 KiB", request(BODY, "X-A: " + "a" * 65536), 431, closes=True)
case("a value of 64 KiB of spaces", request(BODY, "X-A: " + " " * 65536), 431, closes=True)
case("a name of 64 KiB", request(BODY, "a" * 65536 + ": b"), 431, closes=True)
case("a value of 4 MiB", request(BODY, "X-A: " + "a" * (4 << 20)), 431, closes=True)
case("a header of 10,000 fields", request(BODY, *["X-A: b"] * 10000), 431, closes=True)
case("101 fields", get("/health", *["X-A: b"] * 100), 431, closes=True)
case("100 fields", get("/health", *["X-A: b"] * 99), 200, closes=False)
case("a target of 20,000 bytes", get("/" + "a" * 20000), 414, closes=True)
case("a target of 4 MiB", get("/" + "a" * (4 << 20)), 414, closes=True)
case("a header of 15 KiB", get("/health", "X-A: " + "a" * 15360), 200, closes=False)
case("a body declared too large", request("", "Content-Length: 900000000", length=False), 413, closes=True)
case("a body declared too large that comes", request(" " * (6 << 20)), 413, closes=True)
case("too large a body in chunks", chunked((b"100000\r\n" + b" " * 0x100000 + b"\r\n") * 4 + END), 413, closes=True)
case("one chunk declared too large", chunked(b"7fffffff\r\n" + b" " * (4 << 20)), 413, closes=True)
case("a chunk extension of 1 MiB", chunked(b"1;" + b"a" * (1 << 20) + b"\r\n{\r\n" + END), 431, 400, closes=True)
case("many chunk extensions", chunked((b"1;" + b"a" * 500 + b"\r\n \r\n") * 1000 + CHUNK + END), 431, 400, closes=True)
case("a trailer of 1 MiB", chunked(CHUNK + b"0\r\nX-A: " + b"a" * (1 << 20) + b"\r\n\r\n"), 431, 400, closes=True)
case("1,000 trailers", chunked(CHUNK + b"0\r\n" + b"X-A: b\r\n" * 1000 + b"\r\n"), 431, 400, closes=True)
case("100,000 chunks of one byte", chunked(b"1\r\n \r\n" * 100000 + CHUNK + END), 200, closes=False)
