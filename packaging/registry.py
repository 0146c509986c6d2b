#!/usr/bin/env python3
"""An npm registry of one run, on this machine, for packaging/check.sh: registry.py FILE-FOR-ITS-ADDRESS

It keeps what is published in memory and answers as the real one does as far as `npm publish` and `npm view` ask. Only the
standard library is needed.
"""

from __future__ import annotations

import http.server
import json
import pathlib
import sys
import urllib.parse

PACKAGES: dict[str, dict] = {}


class Registry(http.server.BaseHTTPRequestHandler):
    def answer(self, status: int, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def name(self) -> str:
        return urllib.parse.unquote(urllib.parse.urlsplit(self.path).path.lstrip("/"))

    def do_GET(self) -> None:
        known = PACKAGES.get(self.name())
        self.answer(200, known) if known else self.answer(404, {"error": "Not found"})

    def do_PUT(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = PACKAGES.setdefault(self.name(), {"name": self.name(), "dist-tags": {}, "versions": {}})
        if set(sent["versions"]) & set(known["versions"]):
            self.answer(403, {"error": "You cannot publish over the previously published versions."})
            return
        known["versions"].update(sent["versions"])
        known["dist-tags"].update(sent["dist-tags"])
        self.answer(201, {"ok": True})

    def log_message(self, *_: object) -> None:
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
pathlib.Path(sys.argv[1]).write_text(f"http://127.0.0.1:{server.server_port}/", encoding="utf-8")
server.serve_forever()
