#!/usr/bin/env python3
"""Drives the binary through the official Python MCP SDK over stdio or HTTP, against the simulator, offline.

    python -m venv /tmp/mcp && /tmp/mcp/bin/pip install mcp==2.3.0      # or mcp==1.30.0
    /tmp/mcp/bin/python tests/clients/python_sdk.py target/debug/pdfco [--http] [--legacy]

SDK 1.x speaks the revisions up to 2025-11-25, SDK 2.x asks for 2026-07-28; `--legacy` makes 2.x use `initialize` too.
With `--http` the server has no key of its own and gets the caller's with each request; another one stands behind a token.
One `ok` line per check; the first check that does not hold ends the run with exit code 1 and what was seen.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import os
import re
import sys
import tempfile
import traceback
import warnings
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
from mcp import StdioServerParameters, types

sys.dont_write_bytecode = True  # the checkout stays as it is

from python_connections import DOCUMENTS, OLD_SDK, OTHER_KEY, SDK, CheckFailed, Connection, HttpServer, Target, Simulator, open_connection
from python_tasks import page, tasks_of_2025_11_25, tasks_of_2026_07_28

SENTENCE = "Page 3 of 5 explains that the oldest lamps cause most of the faults."
TOOLS = ["get_job_check", "wait_job_completion", "submit_job", "list_jobs", "read_result", "download_result",
         "upload_file", "get_credit_balance"]
WITH_OUTPUT_SCHEMA = ["get_job_check", "wait_job_completion", "submit_job"]
HINTS = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"]
ASKING = {"PDFCO_CONFIRM_CREDITS": "3"}
WRONG_TOKEN = "not-the-token"
UNKNOWN_JOB = "NOBODYS0NOBODYS0NOBODYS0NOBODYS0--151-300"

# Revisions before 2026-07-28 are spoken here on purpose.
warnings.filterwarnings("ignore", message="resources/(un)?subscribe is removed")


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


def page_of(result: dict) -> str:
    """The text of a page: the block behind the one with the answer."""
    blocks = [block["text"] for block in result["content"] if block["type"] == "text"]
    return blocks[1] if len(blocks) > 1 else ""


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


async def tour(connection: Connection, report: Report, home: Path, is_legacy: bool) -> str:
    """The main job, from the list of tools to the file; gives the job's id."""
    check = report.check
    if is_legacy:
        check(connection.protocol == "2025-11-25", "initialize is answered in revision 2025-11-25", connection.protocol)
    else:
        check(connection.protocol == "2026-07-28", "server/discover is answered in revision 2026-07-28", connection.protocol)

    tools = {tool["name"]: tool for tool in await connection.tools()}
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
    balance = await connection.call("get_credit_balance")
    check(not balance["isError"] and find(structured(balance), "credits_remaining") is not None,
          "get_credit_balance reports the balance", balance)

    uploaded = await connection.call("upload_file", file_path=str(DOCUMENTS / "brochure.pdf"))
    link = (structured(uploaded).get("content") or {}).get("url", "")
    check(not uploaded["isError"] and link.startswith("http"), "upload_file stores a file of more than 100 KB", uploaded)
    one_call = await connection.call("submit_job", operation="pdf_to_text", url=link)
    text = (structured(one_call).get("output") or {}).get("text", "")
    check(not one_call["isError"] and structured(one_call).get("status") == "success"
          and "Brochure page 2 of 2" in text, "submit_job on the stored link brings the text in one call", one_call)

    submitted = await connection.call("submit_job", operation="pdf_to_text", url=str(DOCUMENTS / "report.pdf"), wait=0)
    state = structured(submitted)
    job_id = (state.get("job") or {}).get("job_id")
    check(not submitted["isError"] and state.get("status") in ("queued", "working"),
          "submit_job with wait 0 returns at once, queued or working", submitted)
    check(isinstance(job_id, str) and job_id, "submit_job names the job", submitted)

    received: list = []
    waited = await connection.call("wait_job_completion", progress=received, job_id=job_id, timeout=40)
    check(not waited["isError"] and structured(waited).get("status") == "success",
          "wait_job_completion ends with success", waited)
    whole = json.loads(json.dumps(structured(waited)))
    whole["output"].pop("text")
    check(json.loads(waited["content"][0]["text"]) == whole and page_of(waited) == structured(waited)["output"]["text"],
          "the content blocks are the structured result, its text unescaped", waited)
    check(any(block.get("type") == "resource_link" and str(block.get("uri", "")).startswith("job://")
              for block in waited["content"]), "a resource link to the job follows", waited["content"])
    values = [value for value, _, _ in received]
    check(values and all(earlier < later for earlier, later in zip(values, values[1:])),
          f"progress arrives and only ever rises ({len(values)} notifications)", received)

    read = await connection.call("read_result", job_id=job_id)
    text = page_of(read)
    check(not read["isError"] and SENTENCE in text, "read_result has the sentence of page 3", read)
    check((read.get("_meta") or {}).get("pdfco/untrusted") is True, "the text is marked as untrusted", read)
    page = page_of(await connection.call("read_result", job_id=job_id, offset=10, limit=40))
    check(page == text[10:50], "read_result reads a page by offset and limit", page)

    target = home / "out" / "report.txt"
    saved = await connection.call("download_result", job_id=job_id, save_to=str(target))
    check(not saved["isError"] and target.is_file(), "download_result writes the file", saved)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    check(find(structured(saved), "sha256") == digest, "its SHA-256 is the one in the answer",
          {"file": digest, "answer": structured(saved)})
    again = await connection.call("download_result", job_id=job_id, save_to=str(target))
    check(not again["isError"], "a file that is there and whole is kept", again)
    target.write_text("another file")
    again = await connection.call("download_result", job_id=job_id, save_to=str(target))
    check(again["isError"] and target.read_text() == "another file", "download_result does not overwrite unless asked", again)

    looked = await connection.call("get_job_check", job_id=job_id)
    job = structured(looked).get("job") or {}
    check(structured(looked).get("status") == "success" and job.get("source") == "cache",
          "get_job_check of a finished job is answered from the ledger", looked)
    listed = await connection.call("list_jobs")
    check(not listed["isError"] and job_id in json.dumps(structured(listed)), "list_jobs has the job", listed)

    nonsense = await connection.call("get_job_check", job_id="NOSUCHJOB00000000000000000000000")
    check(not nonsense["isError"] and structured(nonsense).get("status") == "unknown",
          "get_job_check of a nonsense id says unknown", nonsense)
    refused = await connection.call("submit_job", operation="pdf_to_nothing", url=str(DOCUMENTS / "report.pdf"))
    check(refused["isError"] and (structured(refused).get("content") or {}).get("kind"),
          "submit_job of an unknown operation is an error with a kind", refused)
    refused = await connection.call("get_job_check", job_ib=job_id)
    check(refused["isError"] and "job_id" in json.dumps(refused),
          "a misspelt argument is refused, with the right name", refused)
    return job_id


async def leaving(connection: Connection, target: Target, check) -> None:
    """A wait that is withdrawn ends on the server too, and its job goes on."""
    submitted = await connection.call("submit_job", wait=0, **page(4))
    job_id = structured(submitted)["job"]["job_id"]
    begun: list[bool] = []

    async def waits() -> None:
        if target.http is None:
            await anyio.sleep(0.4)
        else:
            begun.append(await target.http.waits_are(lambda waits: waits >= 1, 10))

    answer = await connection.call_and_leave(waits, "wait_job_completion", job_id=job_id, timeout=30)
    if target.http is not None:
        check(all(begun) and await target.http.waits_are(lambda waits: waits == 0, 2),
              "a withdrawn wait is gone from the server's metrics within two seconds", begun)
    with anyio.fail_after(5):
        listed = await connection.call("list_jobs")
    check(answer is None and not listed["isError"], "the server answers right after a withdrawn wait",
          [answer, listed])
    waited = await connection.call("wait_job_completion", job_id=job_id, timeout=40)
    check(structured(waited).get("status") == "success", "the job outlives the withdrawn wait", waited)


async def resources(connection: Connection, job_id: str, check) -> None:
    """Jobs as resources, and what a person picks in a client."""
    session, uri = connection.session, f"job://{job_id}"
    listed = await connection.ask(session.list_resources())
    check(uri in [resource["uri"] for resource in listed["resources"]], "resources/list has the job", listed)
    listed = await connection.ask(session.list_resource_templates())
    check([template["uriTemplate"] for template in listed["resourceTemplates"]] == ["job://{job_id}",
          "job://{job_id}/result"], "the two forms of a job's address are templates", listed)
    record = (await connection.ask(session.read_resource(connection.uri(uri))))["contents"][0]
    check(record["mimeType"] == "application/json" and json.loads(record["text"])["status"] == "success",
          "resources/read of a job is its record", record)
    text = (await connection.ask(session.read_resource(connection.uri(f"{uri}/result"))))["contents"][0]
    check(text["mimeType"] == "text/plain" and SENTENCE in text["text"], "and of its result the text", text)
    seen = await connection.refused(session.read_resource(connection.uri("job://UNKNOWN")))
    check(seen[0] == (-32602 if connection.protocol == "2026-07-28" else -32002), "an unknown address is refused", seen)

    listed = await connection.ask(session.list_prompts())
    check({"jobs_postmortem", "process_document"} <= {prompt["name"] for prompt in listed["prompts"]},
          "prompts/list has the two prompts", listed)
    prompt = await connection.ask(session.get_prompt("jobs_postmortem", {"job_id": job_id}))
    check(job_id in prompt["messages"][0]["content"]["text"], "prompts/get fills in what is known of the job", prompt)
    reference = types.PromptReference(type="ref/prompt", name="jobs_postmortem")
    offered = await connection.ask(session.complete(reference, {"name": "job_id", "value": job_id[:8]}))
    check(job_id in offered["completion"]["values"], "completion offers the id that was begun", offered)


async def notifications(connection: Connection, check) -> None:
    """A subscriber of a job is notified of it."""
    submitted = await connection.call("submit_job", wait=0, **page(1))
    job_id = structured(submitted)["job"]["job_id"]
    uri = f"job://{job_id}"
    if connection.protocol == "2026-07-28":
        async with connection.session.listen(resource_subscriptions=[uri]) as subscription:
            check(subscription.honored.resource_subscriptions == [uri], "subscriptions/listen grants the job",
                  subscription.honored)
            await connection.call("wait_job_completion", job_id=job_id, timeout=40)
            with anyio.move_on_after(10):
                async for event in subscription:
                    check(event.uri == uri, "and its listener is notified of the job", repr(event))
                    return
        raise CheckFailed("the listener of a job received nothing within 10 s")
    seen = await connection.refused(connection.session.subscribe_resource(connection.uri("job://UNKNOWN")))
    check(seen[0] == -32002, "a job that is not there cannot be subscribed to", seen)
    await connection.ask(connection.session.subscribe_resource(connection.uri(uri)))
    await connection.call("wait_job_completion", job_id=job_id, timeout=40)
    check(await connection.receives("notifications/resources/updated", lambda params: params["uri"] == uri),
          "a subscriber of a job is notified of it", connection.received)
    await connection.ask(connection.session.unsubscribe_resource(connection.uri(uri)))


async def other_keys(target: Target, connection: Connection, other: Connection, job_id: str, check) -> None:
    """Over HTTP: the token, and two keys at one server."""
    guarded = target.http.guarded()
    behind = copy.copy(target)
    behind.http = guarded
    seen = ""
    try:
        async with open_connection(behind, token=HttpServer.TOKEN) as inside:
            listed = await inside.call("list_jobs")
            check(not listed["isError"], "the token lets in", listed)
        with anyio.move_on_after(20):
            try:
                async with open_connection(behind, token=WRONG_TOKEN):
                    pass
            except BaseException as error:  # noqa: BLE001 - each generation has its own, some in groups
                seen = "".join(traceback.format_exception(error))
    finally:
        await anyio.to_thread.run_sync(guarded.stop)
    check("401 Unauthorized" in seen or "Authorization: Bearer" in seen, "a wrong token is refused, and the client learns why", seen)

    listed = await other.call("list_jobs")
    check(not listed["isError"] and job_id not in json.dumps(listed),
          "another key does not see the job in a list", listed)
    listed = await other.ask(other.session.list_resources())
    check(listed["resources"] == [], "another key has no resources", listed)
    for tool, ask in [
        ("resources/read", lambda id: other.refused(other.session.read_resource(other.uri(f"job://{id}")))),
        ("read_result", lambda id: other.call("read_result", job_id=id)),
    ]:
        theirs, unknown = [json.dumps(await ask(id)).replace(id, "ID") for id in (job_id, UNKNOWN_JOB)]
        # Looks cost credits, so what is left of them differs.
        same = [re.sub(r'credits_remaining[\\": ]+\d+', "", text) for text in (theirs, unknown)]
        check(same[0] == same[1], f"to {tool} with another key the job is as one that does not exist",
              [theirs, unknown])
    check(SENTENCE not in "".join(other.transcript), "and nothing of its text comes out", "(found)")

    named = [head["mcp-param-jobid"] for head in connection.sent if "mcp-param-jobid" in head]
    if connection.protocol == "2026-07-28":
        check(job_id in named, f"calls about a job name it in a header ({len(named)})", connection.sent[-3:])
        check(not any("mcp-session-id" in head for head in connection.sent), "without a session")
    else:
        check(not named and all("mcp-session-id" in head for head in connection.sent[1:]), "in a session", connection.sent[:3])


async def consent(target: Target, check) -> None:
    """A price above the threshold: the person declines, then agrees; a client that cannot ask gets the estimate."""
    questions: list[str] = []
    actions = ["decline", "accept"]

    async def asked(_context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
        questions.append(params.message)
        action = actions.pop(0)
        return types.ElicitResult(action=action, content={} if action == "accept" else None)

    arguments = {"operation": "barcode_generate", "options": {"value": "pdfco"}, "wait": 30}
    async with open_connection(target.asking, elicitation=asked) as connection:
        declined = await connection.call("submit_job", **arguments)
        check(declined["isError"] and structured(declined)["content"]["kind"] == "cancelled" and len(questions) == 1,
              "a person who declines a price ends the call", declined)
        agreed = await connection.call("submit_job", **arguments)
        check(not agreed["isError"] and structured(agreed)["job"]["job_id"] and len(questions) == 2,
              "a person who agrees to a price starts the job", agreed)
        check("barcode_generate will cost 7 credits" in questions[0], "the question says what and how much", questions)
    async with open_connection(target.asking) as connection:
        refused = await connection.call("submit_job", **arguments)
        content = structured(refused)["content"]
        check(refused["isError"] and content["estimate"]["credits_min"] and "PDFCO_CONFIRM_CREDITS" in content["hint"],
              "a client that cannot ask gets the estimate", refused)


async def conversation(target: Target, report: Report, home: Path, stack: AsyncExitStack) -> list[str]:
    check = report.check
    connection = await stack.enter_async_context(open_connection(target))
    other = await stack.enter_async_context(open_connection(target.of(OTHER_KEY))) if target.http else None
    job_id = await tour(connection, report, home, OLD_SDK or target.is_legacy)
    await leaving(connection, target, check)
    await resources(connection, job_id, check)
    await notifications(connection, check)
    if other is not None:
        await other_keys(target, connection, other, job_id, check)
    if OLD_SDK:
        await tasks_of_2025_11_25(connection, other, check)
    elif not target.is_legacy:
        await tasks_of_2026_07_28(target, connection, other, check)
    await consent(target, check)
    return connection.transcript + (other.transcript if other else [])


async def run(binary: Path, home: Path, report: Report, options: argparse.Namespace) -> None:
    simulator = Simulator(binary, home)
    server: HttpServer | None = None
    asking: HttpServer | None = None
    try:
        address = simulator.address()
        report.check(address["url"].startswith("http://127.0.0.1:") or address["url"].startswith("http://localhost:"),
                     "pdfco simulate prints its address and key as JSON", address["url"])
        env = {"PDFCO_BASE_URL": address["url"], "PDFCO_LEDGER": str(home / "ledger.sqlite"),
               "PDFCO_FILES": f"{DOCUMENTS}:{home}", "PDFCO_DOWNLOAD_DIR": str(home / "out"), "HOME": str(home),
               # As on a paid plan, and impatient: the checks are not about how long jobs take.
               "PDFCO_RATE_LIMIT": "10", "PDFCO_CHECK_WORTH_SECONDS": "0.2"}
        trouble: BaseException | None = None
        with (home / "serve.stderr").open("a") as errlog:
            if options.http:
                server = HttpServer(binary, home, env)
                asking = HttpServer(binary, home, {**env, **ASKING}, name="asking")
                target = Target(address["key"], options.legacy, http=server)
                target.asking = Target(address["key"], options.legacy, http=asking)
            else:
                stdio = StdioServerParameters(command=str(binary), args=["serve"], cwd=str(home),
                                              env={**env, "PDFCO_API_KEY": address["key"]})
                target = Target(address["key"], options.legacy, stdio=stdio, errlog=errlog)
                asks = stdio.model_copy(update={"env": {**stdio.env, **ASKING}})
                target.asking = Target(address["key"], options.legacy, stdio=asks, errlog=errlog)
            async with AsyncExitStack() as stack:
                try:
                    said = await conversation(target, report, home, stack)
                except Exception as error:  # noqa: BLE001 - reported after the sessions have closed in order
                    trouble = error
        if trouble is not None:
            raise trouble
        if server is not None:
            code = await anyio.to_thread.run_sync(server.stop)
            report.check(code == 0, "asked to stop, the server ends in order", code)
        written = "".join(said) + (home / "serve.stderr").read_text(errors="replace")
        for path in home.glob("ledger.sqlite*"):
            written += path.read_bytes().decode("latin-1")
        report.check((home / "ledger.sqlite").is_file(), "the ledger is where it was asked to be", os.listdir(home))
        secrets = [address["key"], OTHER_KEY, HttpServer.TOKEN] if options.http else [address["key"]]
        report.check(not any(secret in written for secret in secrets),
                     "no key is in an answer, on stderr or in the ledger", "(found)")
    finally:
        for child in (server, asking):
            if child is not None:
                child.stop()
        simulator.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description="drive pdfco through the official Python MCP SDK")
    parser.add_argument("binary", type=Path)
    parser.add_argument("--http", action="store_true", help="over HTTP instead of stdio")
    parser.add_argument("--legacy", action="store_true", help="make SDK 2.x use initialize")
    options = parser.parse_args()
    binary = options.binary.resolve()
    report = Report()
    chosen = [name for name, is_set in [("--http", options.http), ("--legacy", options.legacy)] if is_set]
    print(" ".join([f"# Python SDK {SDK}", *chosen]), flush=True)
    with tempfile.TemporaryDirectory(prefix="pdfco-python-sdk-") as folder:
        home = Path(folder).resolve()
        try:
            anyio.run(run, binary, home, report, options)
        except BaseException as error:  # noqa: BLE001 - any kind is reported and counts as a failure
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
