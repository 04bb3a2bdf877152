"""A service for the tests of the comparison: fake_service.py PORT KIND, where KIND is good, differs, fails or dies.

`differs` gives other scores, `fails` answers every other request with 500 once it has been checked, `dies` ends under load.
"""

import http.server
import json
import os
import sys
import threading

KIND = sys.argv[2]
CHECKED = 30  # requests; the comparison asks 27 before it loads a service
count = 0
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        global count
        with lock:
            count += 1
            turn = count
        inputs = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["inputs"]
        if KIND == "dies" and turn > CHECKED:
            os._exit(7)
        several = inputs if isinstance(inputs, list) else [inputs]
        shift = 0.01 if KIND == "differs" else 0.0
        answer = [{"label": "A", "score": 1 / (1 + len(text)) + shift} for text in several]
        self.send_response(500 if KIND == "fails" and turn > CHECKED and turn % 2 else 200)
        content = json.dumps(answer).encode()
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer.request_queue_size = 128
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
