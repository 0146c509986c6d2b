#!/usr/bin/env python3
"""One MCP session with an installed server, as a client would hold it: session.py DOCUMENTS COMMAND [ARGUMENT…]

The command starts the server over stdio in the environment of this script, which the caller has emptied. `--simulate` is
in its arguments: nothing leaves this machine. Checked: initialize, the tools that manifest.json promises, one real call,
and that the server ends by itself, with 0, when its input ends. Only the standard library is needed.
"""

from __future__ import annotations

import json
import pathlib
import queue
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 60
SENTENCE = "NW-2026-0417"


class Session:
    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        encoding="utf-8")
        self.lines: queue.Queue[str] = queue.Queue()
        self.count = 0
        threading.Thread(target=self.pump, daemon=True).start()

    def pump(self) -> None:
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def notify(self, method: str, **more: object) -> None:
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", "method": method, **more}) + "\n")
        self.process.stdin.flush()

    def ask(self, method: str, params: dict) -> dict:
        self.count += 1
        self.notify(method, id=self.count, params=params)
        while True:
            line = self.lines.get(timeout=SECONDS)
            if not line:
                raise SystemExit(f"not ok - the server ended during {method}")
            message = json.loads(line)
            if message.get("id") == self.count:
                if "result" not in message:
                    raise SystemExit(f"not ok - {method}: {line}")
                return message["result"]


def check(holds: object, title: str, seen: object = "") -> None:
    if not holds:
        raise SystemExit(f"not ok - {title}\n  seen: {str(seen)[:2000]}")
    print(f"ok - {title}", flush=True)


def main() -> None:
    documents, command = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]
    manifest = json.loads((HERE / "mcpb" / "manifest.json").read_text(encoding="utf-8"))
    session = Session(command)
    try:
        hello = session.ask("initialize", {"protocolVersion": "2025-06-18", "capabilities": {},
                                           "clientInfo": {"name": "packaging", "version": "1"}})
        server = hello["serverInfo"]
        check(server["name"] == "pdfco" and server["version"] == manifest["version"],
              f"initialize: {server['name']} {server['version']}", hello)
        session.notify("notifications/initialized")
        tools = [tool["name"] for tool in session.ask("tools/list", {})["tools"]]
        promised = [tool["name"] for tool in manifest["tools"]]
        check(tools == promised, f"tools/list: the {len(tools)} tools of the manifest", tools)
        answer = session.ask("tools/call", {"name": "submit_job", "arguments": {
            "operation": "pdf_to_text", "url": str(documents / "invoice.pdf"), "wait": 30}})
        state = answer.get("structuredContent") or {}
        text = (state.get("output") or {}).get("text", "")
        check(not answer.get("isError") and state.get("status") == "success" and SENTENCE in text,
              "submit_job: the text of the invoice is in the answer", answer)
        session.process.stdin.close()
        code = session.process.wait(timeout=20)
        check(code == 0, "the end of its input ends the server with 0", code)
    finally:
        if session.process.poll() is None:
            session.process.kill()
            session.process.wait()


if __name__ == "__main__":
    main()
