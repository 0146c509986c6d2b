#!/usr/bin/env python3
"""Drives the binary through the official Python MCP SDK over stdio, against the simulator, offline.

    python -m venv /tmp/mcp && /tmp/mcp/bin/pip install mcp==2.3.0      # or mcp==1.30.0
    /tmp/mcp/bin/python tests/clients/python_sdk.py target/debug/pdfco [--legacy]

SDK 1.x speaks the revisions up to 2025-11-25, SDK 2.x asks for 2026-07-28; `--legacy` makes 2.x use `initialize` too.
One `ok` line per check; the first check that does not hold ends the run with exit code 1 and what was seen.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import traceback
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from mcp import StdioServerParameters, types
from mcp.client.stdio import stdio_client

DOCUMENTS = Path(__file__).resolve().parents[2] / "fixtures" / "documents"
SDK = importlib.metadata.version("mcp")
OLD_SDK = SDK.startswith("1.")
SENTENCE = "Page 3 of 5 explains that the oldest lamps cause most of the faults."
TOOLS = ["get_job_check", "wait_job_completion", "submit_job", "list_jobs", "read_result", "download_result",
         "upload_file", "get_credit_balance"]
WITH_OUTPUT_SCHEMA = ["get_job_check", "wait_job_completion", "submit_job", "read_result", "download_result"]
HINTS = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"]
CALL_SECONDS = 60


class CheckFailed(Exception):
    """A check that does not hold."""


class Report:
    """What was checked so far."""

    def __init__(self) -> None:
        self.passed = 0

    def check(self, holds: object, title: str, seen: object = None) -> None:
        if not holds:
            text = seen if isinstance(seen, str) else json.dumps(seen, indent=2, ensure_ascii=False, default=str)
            raise CheckFailed(f"{title}\n  seen: {text[:4000]}")
        self.passed += 1
        print(f"ok - {title}", flush=True)


class Door:
    """One MCP session, the same for both generations of the SDK. Answers are plain JSON."""

    def __init__(self, session: object, protocol: str) -> None:
        self.session = session
        self.protocol = protocol
        self.transcript: list[str] = []

    def _plain(self, model: object) -> dict:
        plain = model.model_dump(mode="json", by_alias=True)
        self.transcript.append(json.dumps(plain, ensure_ascii=False))
        return plain

    async def tools(self) -> list[dict]:
        with anyio.fail_after(CALL_SECONDS):
            return self._plain(await self.session.list_tools())["tools"]

    async def call(self, tool: str, progress: list | None = None, **arguments: object) -> dict:
        async def heard(value: float, total: float | None, message: str | None) -> None:
            progress.append((value, total, message))

        callback = {} if progress is None else {"progress_callback": heard}
        with anyio.fail_after(CALL_SECONDS):
            return self._plain(await self.session.call_tool(tool, arguments, **callback))

    async def call_and_cancel(self, seconds: float, tool: str, **arguments: object) -> dict | None:
        """Withdraws the call after `seconds`; None when it really was withdrawn before it answered."""
        request_id = getattr(self.session, "_request_id", None)
        answer = None
        with anyio.move_on_after(seconds):
            answer = await self.session.call_tool(tool, arguments)
        if answer is None and OLD_SDK:  # SDK 1.x stops listening but does not tell the server
            params = types.CancelledNotificationParams(requestId=request_id, reason="not needed any more")
            await self.session.send_notification(types.ClientNotification(
                types.CancelledNotification(method="notifications/cancelled", params=params)))
        return None if answer is None else self._plain(answer)


@asynccontextmanager
async def open_door(server: StdioServerParameters, errlog: object, legacy: bool):
    if OLD_SDK:
        from mcp import ClientSession

        async with stdio_client(server, errlog=errlog) as (reader, writer), ClientSession(reader, writer) as session:
            with anyio.fail_after(CALL_SECONDS):
                hello = await session.initialize()
            yield Door(session, hello.protocolVersion)
    else:
        from mcp import Client

        async with Client(stdio_client(server, errlog=errlog), mode="legacy" if legacy else "auto") as client:
            yield Door(client, client.protocol_version)


class Simulator:
    """`pdfco simulate` as a child process, ended with us."""

    def __init__(self, binary: Path, home: Path) -> None:
        self.errors = home / "simulate.stderr"
        with self.errors.open("wb") as stderr:
            self.process = subprocess.Popen(
                [str(binary), "simulate", "--port", "0", "--json"], cwd=home, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=stderr, text=True,
                env={"PATH": os.environ.get("PATH", ""), "HOME": str(home)})

    def address(self) -> dict:
        lines: queue.Queue[str] = queue.Queue()

        def pump() -> None:
            for line in self.process.stdout:
                lines.put(line)
            lines.put("")

        threading.Thread(target=pump, daemon=True).start()
        try:
            line = lines.get(timeout=20)
        except queue.Empty:
            raise CheckFailed("pdfco simulate printed no line within 20 s") from None
        try:
            address = json.loads(line)
            return {"url": address["url"], "key": address["key"]}
        except (ValueError, KeyError, TypeError):
            raise CheckFailed(f"first line of pdfco simulate is no JSON with url and key: {line!r}\n"
                              + self.errors.read_text(errors="replace")) from None

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def structured(result: dict) -> dict:
    return result.get("structuredContent") or {}


def find(value: object, key: str) -> object:
    """The first value under `key`, however deep."""
    if isinstance(value, dict):
        if value.get(key) is not None:
            return value[key]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            found = find(item, key)
            if found is not None:
                return found
    return None


async def tour(door: Door, report: Report, home: Path, legacy: bool) -> None:
    check = report.check
    if OLD_SDK or legacy:
        check(door.protocol == "2025-11-25", "initialize is answered in revision 2025-11-25", door.protocol)
    else:
        check(door.protocol == "2026-07-28", "server/discover is answered in revision 2026-07-28", door.protocol)

    tools = {tool["name"]: tool for tool in await door.tools()}
    missing = [name for name in TOOLS if name not in tools]
    check(not missing, f"tools/list has the {len(TOOLS)} tools of the main job", {"missing": missing, "listed": list(tools)})
    check(len(tools) <= 12, f"tools/list has at most 12 tools ({len(tools)})", list(tools))
    bare = [name for name, tool in tools.items() if not (tool.get("title") and tool.get("description"))]
    check(not bare, "every tool has a title and a description", bare)
    unhinted = [name for name, tool in tools.items()
                if not all(isinstance((tool.get("annotations") or {}).get(hint), bool) for hint in HINTS)]
    check(not unhinted, "every tool has all four annotation hints", unhinted)
    unshaped = [name for name in WITH_OUTPUT_SCHEMA if not tools[name].get("outputSchema")]
    check(not unshaped, "the job tools publish an output schema", unshaped)

    # The SDK checks every structuredContent below against that schema.
    balance = await door.call("get_credit_balance")
    check(not balance["isError"] and find(structured(balance), "credits_remaining") is not None,
          "get_credit_balance reports the balance", balance)

    uploaded = await door.call("upload_file", file_path=str(DOCUMENTS / "brochure.pdf"))
    link = (structured(uploaded).get("content") or {}).get("url", "")
    check(not uploaded["isError"] and link.startswith("http"), "upload_file stores a file of more than 100 KB", uploaded)
    one_call = await door.call("submit_job", operation="pdf_to_text", url=link)
    text = (structured(one_call).get("output") or {}).get("text", "")
    check(not one_call["isError"] and structured(one_call).get("status") == "success"
          and "Brochure page 2 of 2" in text, "submit_job on the stored link brings the text in one call", one_call)

    submitted = await door.call("submit_job", operation="pdf_to_text", url=str(DOCUMENTS / "report.pdf"), wait=0)
    state = structured(submitted)
    job_id = (state.get("job") or {}).get("job_id")
    check(not submitted["isError"] and state.get("status") in ("queued", "working"),
          "submit_job with wait 0 returns at once, queued or working", submitted)
    check(isinstance(job_id, str) and job_id, "submit_job names the job", submitted)

    heard: list = []
    waited = await door.call("wait_job_completion", progress=heard, job_id=job_id, timeout=40)
    check(not waited["isError"] and structured(waited).get("status") == "success",
          "wait_job_completion ends with success", waited)
    check(json.loads(waited["content"][0]["text"]) == structured(waited),
          "the first content block is the structured result as text", waited)
    check(any(block.get("type") == "resource_link" and str(block.get("uri", "")).startswith("job://")
              for block in waited["content"]), "a resource link to the job follows", waited["content"])
    values = [value for value, _, _ in heard]
    check(all(earlier < later for earlier, later in zip(values, values[1:])),
          f"progress only ever rises ({len(values)} notifications)", heard)

    read = await door.call("read_result", job_id=job_id)
    output = structured(read).get("output") or {}
    check(not read["isError"] and SENTENCE in output.get("text", ""), "read_result has the sentence of page 3", read)
    check(output.get("untrusted") is True, "the text is marked as untrusted", read)
    page = structured(await door.call("read_result", job_id=job_id, offset=10, limit=40)).get("output") or {}
    check(page.get("text") == output["text"][10:50], "read_result reads a page by offset and limit", page)

    target = home / "out" / "report.txt"
    saved = await door.call("download_result", job_id=job_id, save_to=str(target))
    check(not saved["isError"] and target.is_file(), "download_result writes the file", saved)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    check(find(structured(saved), "sha256") == digest, "its SHA-256 is the one in the answer",
          {"file": digest, "answer": structured(saved)})
    again = await door.call("download_result", job_id=job_id, save_to=str(target))
    check(again["isError"], "download_result does not overwrite unless asked", again)

    looked = await door.call("get_job_check", job_id=job_id)
    job = structured(looked).get("job") or {}
    check(structured(looked).get("status") == "success" and job.get("source") == "cache",
          "get_job_check of a finished job is answered from the ledger", looked)
    listed = await door.call("list_jobs")
    check(not listed["isError"] and job_id in json.dumps(structured(listed)), "list_jobs has the job", listed)

    nonsense = await door.call("get_job_check", job_id="NOSUCHJOB00000000000000000000000")
    check(not nonsense["isError"] and structured(nonsense).get("status") == "unknown",
          "get_job_check of a nonsense id says unknown", nonsense)
    refused = await door.call("submit_job", operation="pdf_to_nothing", url=str(DOCUMENTS / "report.pdf"))
    check(refused["isError"] and (structured(refused).get("content") or {}).get("kind"),
          "submit_job of an unknown operation is an error with a kind", refused)
    refused = await door.call("get_job_check", job_ib=job_id)
    check(refused["isError"] and "job_id" in json.dumps(refused), "a misspelt argument is refused, with the right name", refused)

    second = await door.call("submit_job", operation="pdf_to_text", url=str(DOCUMENTS / "handbook.pdf"), wait=0)
    second_id = (structured(second).get("job") or {}).get("job_id")
    early = await door.call_and_cancel(0.4, "wait_job_completion", job_id=second_id, timeout=30, interval=20)
    with anyio.fail_after(5):
        listed = await door.call("list_jobs")
    check(not listed["isError"], "the server answers right after a withdrawn wait"
          + (" (the wait had already ended)" if early else ""), listed)
    waited = await door.call("wait_job_completion", job_id=second_id, timeout=40)
    check(structured(waited).get("status") == "success", "the job outlives the withdrawn wait", waited)


async def run(binary: Path, home: Path, report: Report, legacy: bool) -> None:
    simulator = Simulator(binary, home)
    try:
        address = simulator.address()
        report.check(address["url"].startswith("http://127.0.0.1:") or address["url"].startswith("http://localhost:"),
                     "pdfco simulate prints its address and key as JSON", address["url"])
        server = StdioServerParameters(command=str(binary), args=["serve"], cwd=str(home), env={
            "PDFCO_BASE_URL": address["url"], "PDFCO_API_KEY": address["key"],
            "PDFCO_LEDGER": str(home / "ledger.sqlite"), "PDFCO_FILES": f"{DOCUMENTS}:{home}",
            "PDFCO_DOWNLOAD_DIR": str(home / "out"), "HOME": str(home)})
        trouble: BaseException | None = None
        with (home / "serve.stderr").open("w") as errlog:
            async with open_door(server, errlog, legacy) as door:
                try:
                    await tour(door, report, home, legacy)
                except Exception as error:  # noqa: BLE001 - reported after the session has closed in order
                    trouble = error
        if trouble is not None:
            raise trouble
        written = "".join(door.transcript) + (home / "serve.stderr").read_text(errors="replace")
        for path in home.glob("ledger.sqlite*"):
            written += path.read_bytes().decode("latin-1")
        report.check((home / "ledger.sqlite").is_file(), "the ledger is where it was asked to be", os.listdir(home))
        report.check(address["key"] not in written, "the key is in no answer, not on stderr, not in the ledger", "(found)")
    finally:
        simulator.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description="drive pdfco through the official Python MCP SDK")
    parser.add_argument("binary", type=Path)
    parser.add_argument("--legacy", action="store_true", help="make SDK 2.x use initialize")
    options = parser.parse_args()
    binary = options.binary.resolve()
    report = Report()
    print(f"# Python SDK {SDK}{' --legacy' if options.legacy else ''}", flush=True)
    with tempfile.TemporaryDirectory(prefix="pdfco-python-sdk-") as folder:
        home = Path(folder).resolve()
        try:
            anyio.run(run, binary, home, report, options.legacy)
        except BaseException as error:  # noqa: BLE001 - whatever it was, it is told and counts as a failure
            if isinstance(error, KeyboardInterrupt):
                raise
            print(f"not ok - {error if isinstance(error, CheckFailed) else traceback.format_exc()}", flush=True)
            for name in ("serve.stderr", "simulate.stderr"):
                path = home / name
                if path.is_file() and path.stat().st_size:
                    print(f"# {name}, its end:\n{path.read_text(errors='replace')[-3000:]}", flush=True)
            print(f"{report.passed} passed, 1 failed", flush=True)
            return 1
    print(f"{report.passed} passed, 0 failed", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
