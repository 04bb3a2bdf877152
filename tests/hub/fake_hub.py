"""A local server that behaves like the Hugging Face Hub, as far as a download sees it, with its storage on a second port.

Small files come from the Hub itself; .safetensors and .bin files are LFS: a HEAD or GET of them is redirected to the storage,
with X-Linked-ETag and X-Linked-Size. Every request is kept in `requests`; faults can be planted by path."""
import hashlib
import json
import ssl
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LFS = (".safetensors", ".bin")
CHUNK = 16384


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def etag_of(name, data):
    return hashlib.sha256(data).hexdigest() if name.endswith(LFS) else git_sha1(data)


@dataclass
class Repo:
    commits: dict  # commit -> {file: bytes}
    refs: dict = field(default_factory=dict)  # branch or tag -> commit
    token: str | None = None  # who may read it; None: everybody
    gated: bool = False


@dataclass
class Request:
    place: str  # "hub" or "storage"
    method: str
    path: str
    headers: dict
    status: int = 0
    sent: int = 0  # bytes of the body


@dataclass
class Fault:
    """What happens to the requests whose path contains `path`, `times` times."""
    path: str
    times: int = 1 << 30
    method: str | None = None
    place: str | None = None
    status: int | None = None  # answer this
    headers: dict = field(default_factory=dict)  # in this answer, or changed in the right one
    cut_after: int | None = None  # bytes of the body, then the connection is closed
    change: object = None  # bytes -> bytes, of the body
    bytes_a_second: int | None = None
    no_ranges: bool = False
    silent: bool = False  # no answer at all


class FakeHub:
    def __init__(self, certificate=None):
        self.repos, self.requests, self.faults = {}, [], []
        self.lock = threading.Lock()
        self.servers = [self._serve("hub", certificate), self._serve("storage", certificate)]
        scheme = "https" if certificate else "http"
        self.endpoint, self.storage = (f"{scheme}://localhost:{server.server_address[1]}" for server in self.servers)

    def _serve(self, place, certificate):
        handler = type("Handler", (_Handler,), {"hub": self, "place": place})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        server.handle_error = lambda *arguments: None  # a client that is killed
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def add(self, name, files, revision="main", **options):
        """A commit with these files on a branch -> its hash"""
        commit = hashlib.sha1(repr((name, sorted(files), [etag_of(*item) for item in sorted(files.items())])).encode()).hexdigest()
        repo = self.repos.setdefault(name, Repo({}, **options))
        repo.commits[commit] = files
        repo.refs[revision] = commit
        return commit

    def fault(self, path, **what):
        self.faults.append(Fault(path, **what))

    def take_fault(self, place, method, path):
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and fault.path in path and fault.method in (None, method) and fault.place in (None, place):
                    fault.times -= 1
                    return fault
        return Fault("")

    def sent(self, file):
        """Bytes of a file that went out."""
        return sum(request.sent for request in self.requests if request.method == "GET" and request.path.split("?")[0].endswith("/" + file))

    def fetched(self, place=None):
        """Names of the files that were asked for with GET, in order."""
        return [request.path.split("?")[0].split("/", 5)[-1] for request in self.requests
                if request.method == "GET" and "/resolve/" in request.path and place in (None, request.place)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub
    place: str

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        self.record = Request(self.place, self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        with self.hub.lock:
            self.hub.requests.append(self.record)
        self.fault = self.hub.take_fault(self.place, self.command, self.path)
        path = urllib.parse.urlsplit(self.path).path
        try:
            if self.fault.silent:
                time.sleep(30)
            elif self.fault.status:
                self.reply(self.fault.status, b"", self.fault.headers)
            elif self.place == "storage":
                self.reply_storage(path)
            elif path.startswith("/api/models/"):
                self.reply_api(path)
            elif "/resolve/" in path:
                self.reply_file(path)
            else:
                self.refuse(404, "RepoNotFound")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def reply(self, status, body, headers):
        self.record.status = status
        self.send_response(status)
        headers = {"Content-Length": len(body), **headers, **(self.fault.headers if status < 400 else {})}
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.send_body(self.fault.change(body) if self.fault.change else body)

    def send_body(self, body):
        end = len(body) if self.fault.cut_after is None else min(self.fault.cut_after, len(body))
        rate = self.fault.bytes_a_second
        step = min(CHUNK, max(rate // 20, 1)) if rate else CHUNK
        for at in range(0, end, step):
            piece = body[at:min(at + step, end)]
            self.wfile.write(piece)
            self.record.sent += len(piece)
            if rate:
                time.sleep(len(piece) / rate)
        if end < len(body):
            self.close_connection = True

    def refuse(self, status, code=None, message=None):
        headers = {name: value for name, value in (("X-Error-Code", code), ("X-Error-Message", message)) if value}
        self.reply(status, json.dumps({"error": message or code}).encode(), headers)

    def find(self, name, revision):
        """-> (commit, files), or None where it was refused"""
        repo = self.hub.repos.get(name)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token == "hf_invalid":
            self.refuse(401, None, "Invalid credentials in Authorization header")
        elif repo is None or (repo.token and not repo.gated and token != repo.token):
            self.refuse(404 if token else 401, "RepoNotFound", "Repository not found")
        elif repo.gated and token != repo.token:
            self.refuse(403 if token else 401, "GatedRepo", f"Access to model {name} is restricted.")
        elif repo.refs.get(revision, revision) not in repo.commits:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        else:
            commit = repo.refs.get(revision, revision)
            return commit, repo.commits[commit]
        return None

    def reply_api(self, path):
        name, _, rest = path.removeprefix("/api/models/").partition("/revision/" if "/revision/" in path else "/tree/")
        revision, _, folder = rest.partition("/")
        found = self.find(name, urllib.parse.unquote(revision))
        if not found:
            return
        commit, files = found
        files = {file: data for file, data in files.items() if file.startswith(folder)}
        if folder and not files:
            self.refuse(404, "EntryNotFound")
        elif "/tree/" in path:
            self.reply_json([{"type": "file", "path": file, "size": len(data), "oid": git_sha1(data),
                              **({"lfs": {"oid": etag_of(file, data), "size": len(data), "pointerSize": 134}} if file.endswith(LFS) else {})}
                             for file, data in files.items()])
        else:
            self.reply_json({"id": name, "modelId": name, "sha": commit, "siblings": [{"rfilename": file} for file in sorted(files)]})

    def reply_json(self, value):
        self.reply(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def reply_file(self, path):
        name, _, rest = path.lstrip("/").partition("/resolve/")
        revision, _, file = rest.partition("/")
        file = urllib.parse.unquote(file)
        found = self.find(name, urllib.parse.unquote(revision))
        if not found:
            return
        commit, files = found
        headers = {"X-Repo-Commit": commit}
        if file not in files:
            self.reply(404, b"", {**headers, "X-Error-Code": "EntryNotFound"})
        elif file.endswith(LFS):
            data = files[file]
            target = f"{self.hub.storage}/{etag_of(file, data)}/{name}/resolve/{urllib.parse.quote(file)}?Signature=x"
            self.reply(302, b"", {**headers, "Location": target, "X-Linked-ETag": f'"{etag_of(file, data)}"', "X-Linked-Size": len(data)})
        else:
            self.reply_data(files[file], {**headers, "ETag": f'"{etag_of(file, files[file])}"'})

    def reply_storage(self, path):
        wanted = path.split("/")[1]
        for repo in self.hub.repos.values():
            for files in repo.commits.values():
                for file, data in files.items():
                    if etag_of(file, data) == wanted:
                        # A storage's ETag is its own: a part number, not the hash.
                        self.reply_data(data, {"ETag": f'"{hashlib.md5(data).hexdigest()}-1"'})
                        return
        self.refuse(404)

    def reply_data(self, data, headers):
        asked = self.headers.get("Range", "")
        condition = self.headers.get("If-Range")
        begin = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if begin and not self.fault.no_ranges and condition in (None, headers["ETag"]):
            if begin >= len(data):
                self.reply(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
            part = data[begin:]
            self.reply(206, part, {**headers, "Content-Range": f"bytes {begin}-{len(data) - 1}/{len(data)}", "Accept-Ranges": "bytes"})
        elif self.command == "HEAD":
            self.reply(200, b"", {**headers, "Content-Length": len(data)})
        else:
            self.reply(200, data, headers)
