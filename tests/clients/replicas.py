#!/usr/bin/env python3
"""Replicas behind a balancer without stickiness, as `replicas.sh` starts it: revision 2026-07-28 through SDK 2.x, and
sessions through SDK 1.x in a process of their own, while replicas are restarted and killed.

One `ok` line per check; the first check that does not hold ends the run with exit code 1 and what was seen.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

import anyio
from mcp import types

sys.dont_write_bytecode = True  # the checkout stays as it is

from python_connections import OLD_SDK, OTHER_KEY, SDK, CheckFailed, Target, Simulator, open_connection

REPLICAS = 3
NGINX = """
daemon off;
worker_processes 1;
error_log {home}/nginx.error warn;
pid {home}/nginx.pid;
events {{ worker_connections 512; }}
http {{
    log_format replica '$upstream_addr $status $request_method $uri';
    access_log {home}/access.log replica;
    client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
    upstream replicas {{ {servers} }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://replicas;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_connect_timeout 2s;
            proxy_read_timeout 300s;
        }}
    }}
}}
"""


def words(error: BaseException) -> str:
    """What failed, out of the groups that the SDKs wrap it in."""
    while isinstance(error, BaseExceptionGroup):
        error = next((inner for inner in error.exceptions if isinstance(inner, (CheckFailed, BaseExceptionGroup))),
                     error.exceptions[0])
    return str(error) if isinstance(error, CheckFailed) else "".join(traceback.format_exception(error))


def is_end(error: BaseException) -> bool:
    """Whether we are to stop, and not our server."""
    return isinstance(error, (KeyboardInterrupt, anyio.get_cancelled_exc_class()))


def check(holds: object, title: str, seen: object = None) -> None:
    if not holds:
        text = seen if isinstance(seen, str) else json.dumps(seen, indent=2, ensure_ascii=False, default=str)
        raise CheckFailed(f"{title}\n  seen: {text[:4000]}")
    print(f"ok - {title}", flush=True)


def free_port() -> int:
    """Below those that the system gives to connections: a replica that is started anew finds it free again."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as chosen:
            try:
                chosen.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def asked(request: urllib.request.Request | str, timeout: float = 20) -> tuple[int, dict, str]:
    """Status, headers and body of an answer, redirects not followed."""
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Stay)
    try:
        with opener.open(request, timeout=timeout) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read().decode()


class Deployment:
    """The replicas and the balancer in front of them."""

    def __init__(self, binary: Path, home: Path, ledger: str, service: str) -> None:
        self.binary, self.home = binary, home
        self.ports = [free_port() for _ in range(REPLICAS)]
        port = free_port()
        self.root = f"http://127.0.0.1:{port}"
        self.url = f"{self.root}/mcp"
        self.env = {"PATH": os.environ.get("PATH", ""), "HOME": str(home), "PDFCO_LEDGER": ledger,
                    "PDFCO_BASE_URL": service, "PDFCO_RATE_LIMIT": "50", "PDFCO_CHECK_WORTH_SECONDS": "0.2",
                    "PDFCO_CALLBACK_URL": self.root, "PDFCO_CONFIRM_CREDITS": "10"}
        self.running: list[subprocess.Popen | None] = [None] * REPLICAS
        self.balancer: subprocess.Popen | None = None
        try:
            self.begin(port)
        except BaseException:
            self.stop()
            raise

    def begin(self, port: int) -> None:
        home = self.home
        for number in range(REPLICAS):
            self.start(number)
        servers = " ".join(f"server 127.0.0.1:{port} max_fails=1 fail_timeout=1s;" for port in self.ports)
        (home / "nginx.conf").write_text(NGINX.format(home=home, port=port, servers=servers))
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        self.balancer = subprocess.Popen([program, "-c", str(home / "nginx.conf"), "-p", str(home),
                                          "-g", f"error_log {home}/nginx.error warn;"])
        self.wait_for(f"{self.root}/readyz")

    def start(self, number: int) -> None:
        with (self.home / f"replica-{number}.stderr").open("ab") as stderr:
            self.running[number] = subprocess.Popen(
                [str(self.binary), "serve", "--http", f"127.0.0.1:{self.ports[number]}"], cwd=self.home,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, env=self.env)
        self.wait_for(f"http://127.0.0.1:{self.ports[number]}/readyz")

    def wait_for(self, url: str) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if asked(url, 2)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise CheckFailed(f"{url} is not ready\n" + self.errors())

    def end(self, number: int, how: signal.Signals) -> int:
        replica = self.running[number]
        replica.send_signal(how)
        return replica.wait(timeout=20)

    def restart(self, number: int, how: signal.Signals) -> int:
        code = self.end(number, how)
        self.start(number)
        return code

    def stop(self) -> None:
        for child in [self.balancer, *self.running]:
            if child is not None and child.poll() is None:
                child.terminate()
        for child in filter(None, [self.balancer, *self.running]):
            try:
                child.wait(timeout=15)
            except subprocess.TimeoutExpired:
                child.kill()

    def served(self, path: str, since: int = 0) -> collections.Counter:
        """How many requests to a path each replica answered, from a line of the log on."""
        lines = (self.home / "access.log").read_text().splitlines()[since:]
        found = [re.split(r"[ ,]+", line) for line in lines if line.split(" ")[-1].startswith(path)]
        return collections.Counter(fields[0] for fields in found)

    def log_lines(self) -> int:
        return len((self.home / "access.log").read_text().splitlines())

    def errors(self) -> str:
        texts = [path.read_text(errors="replace")[-2000:] for path in sorted(self.home.glob("*.stderr"))]
        return "\n".join(texts)


def job(seconds: float, **more: object) -> dict:
    """A job of seven credits that takes so many seconds."""
    return {"operation": "barcode_generate",
            "options": {"value": "pdfco", "profiles": {"Simulate": {"seconds": seconds}}}, **more}


def structured(result: dict) -> dict:
    return result.get("structuredContent") or {}


def id_of(result: dict) -> str:
    found = (structured(result).get("job") or {}).get("job_id")
    check_quietly(found, "the answer names a job", result)
    return found


def check_quietly(holds: object, title: str, seen: object) -> None:
    if not holds:
        raise CheckFailed(f"{title}\n  seen: {json.dumps(seen, default=str)[:3000]}")


async def in_thread(run, *arguments):
    return await anyio.to_thread.run_sync(run, *arguments)


# Revision 2026-07-28: no session


async def stateless(target: Target, deployment: Deployment) -> None:
    begin = deployment.log_lines()
    async with open_connection(target) as connection:
        check(connection.protocol == "2026-07-28", "server/discover is answered in revision 2026-07-28", connection.protocol)
        ids = [id_of(await connection.call("submit_job", **job(1, wait=0, client_request_id=f"s{n}"))) for n in range(6)]
        states = [structured(await connection.call("wait_job_completion", job_id=found, timeout=30)) for found in ids]
        check(all(state["status"] == "success" for state in states), "jobs of one replica are waited for at others",
              states)
        again = [id_of(await connection.call("submit_job", **job(1, wait=0, client_request_id="s0"))) for _ in range(4)]
        check(set(again) == {ids[0]}, "a repeated request is the same job at every replica", [ids[0], again])
        listed = [json.dumps(structured(await connection.call("list_jobs"))) for _ in range(REPLICAS)]
        check(all(found in text for text in listed for found in ids), "every replica lists the jobs", listed[0])
        async with open_connection(target.of(OTHER_KEY)) as other:
            listed = [json.dumps(await other.call("list_jobs")) for _ in range(REPLICAS)]
            check(not any(found in text for text in listed for found in ids), "and none to another key", listed[0])
    served = deployment.served("/mcp", begin)
    check(len(served) == REPLICAS and min(served.values()) > 3, f"all replicas took part {sorted(served.values())}", served)


async def tasks_and_updates(target: Target) -> None:
    from python_tasks import Tasks, cancel_task, get_task

    tasks = Tasks()
    async with open_connection(target, extensions=(tasks,)) as connection:
        session = connection.session.session

        async def promised(seconds: float) -> str:
            created = await session.call_tool("submit_job", job(seconds), allow_claimed=True)
            created = connection.plain(created)
            check_quietly(created.get("resultType") == "task", "a long call becomes a task", created)
            return created["taskId"]

        names: dict[str, str] = {}

        async def promise(name: str, seconds: float) -> None:
            names[name] = await promised(seconds)

        async with anyio.create_task_group() as group:
            group.start_soon(promise, "ends", 10)
            group.start_soon(promise, "never", 600)
            group.start_soon(promise, "followed", 12)
        ended = await tasks.end(session, names["ends"])
        check(ended["status"] == "completed" and not ended["result"]["isError"], "a task is asked for at any replica", ended)
        async with anyio.create_task_group() as group:
            group.start_soon(session.send_request, *listening([names["followed"]]))
            with anyio.move_on_after(25):
                while not any(update["status"] == "completed" for update in tasks.updates):
                    await anyio.sleep(0.02)
            group.cancel_scope.cancel()
        check(tasks.updates and tasks.updates[-1]["status"] == "completed", "a subscription brings the end of a task", tasks.updates)
        await connection.ask(cancel_task(session, names["never"]))
        states = [(await connection.ask(get_task(session, names["never"])))["status"] for _ in range(REPLICAS)]
        check(states == ["cancelled"] * REPLICAS, "a task that was cancelled is so at every replica", states)

        found = id_of(await connection.call("submit_job", **job(2, wait=0)))
        async with connection.session.listen(resource_subscriptions=[f"job://{found}"]) as subscription:
            with anyio.fail_after(20):
                async with anyio.create_task_group() as group:
                    group.start_soon(lambda: connection.call("wait_job_completion", job_id=found, timeout=30))
                    async for event in subscription:
                        check(event.uri == f"job://{found}", "a subscription to a job brings what another replica saw", repr(event))
                        break


def listening(ids: list[str]) -> tuple:
    from python_tasks import PLAIN

    wishes = types.SubscriptionFilter(taskIds=ids)
    params = types.SubscriptionsListenRequestParams(notifications=wishes)
    return types.SubscriptionsListenRequest(params=params), PLAIN


async def consents(target: Target) -> None:
    """A question is asked by one replica, and its answer goes to another."""
    questions: list[str] = []

    async def agreed(_context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
        questions.append(params.message)
        return types.ElicitResult(action="accept", content={})

    async with open_connection(target, elicitation=agreed) as connection:
        for number in range(REPLICAS + 1):
            options = {"html": f"<p>{number}</p>", "profiles": {"Simulate": {"seconds": 0.2}}}
            answer = await connection.call("submit_job", operation="html_to_pdf", options=options, wait=30)
            check_quietly(structured(answer).get("status") == "success", "a person who agrees starts the job", answer)
    check(len(questions) == REPLICAS + 1, f"a person is asked once for each price ({target_name(target)})", questions)


def target_name(target: Target) -> str:
    return "sessions" if OLD_SDK or target.is_legacy else "2026-07-28"


# The page


def page(deployment: Deployment, key: str) -> None:
    form = urllib.parse.urlencode({"key": key}).encode()
    status, headers, _ = asked(urllib.request.Request(f"{deployment.root}/session", data=form))
    check(status == 303 and "set-cookie" in {name.lower() for name in headers}, "the page lets a key in", [status, headers])
    cookie = next(value for name, value in headers.items() if name.lower() == "set-cookie").split(";")[0]

    def shown() -> list[bool]:
        pages = [asked(urllib.request.Request(f"{deployment.root}/", headers={"Cookie": cookie}))[2]
                 for _ in range(2 * REPLICAS)]
        return ["barcode_generate" in text for text in pages]

    seen = shown()
    check(all(seen), "the page is signed in at every replica", seen)
    asked(urllib.request.Request(f"{deployment.root}/session/end", data=b"", headers={"Cookie": cookie}))
    seen = shown()
    check(not any(seen), "and signed out at every replica", seen)


# Restarts


class Load:
    """Clients that submit and wait, and repeat what failed, each under an id of its own."""

    def __init__(self, target: Target, clients: int) -> None:
        self.target, self.clients = target, clients
        self.ended: dict[str, str] = {}
        self.unknown: list[str] = []
        self.failures = collections.Counter()
        self.is_over = False

    async def run(self) -> None:
        async with anyio.create_task_group() as group:
            for number in range(self.clients):
                group.start_soon(self.client, number)

    async def client(self, number: int) -> None:
        count = 0
        while not self.is_over:
            count += 1
            name = f"load-{number}-{count}-{uuid.uuid4().hex[:8]}"
            await self.one(name)

    async def one(self, name: str) -> None:
        deadline, seconds = time.monotonic() + 45, 0.5 + random.random()
        last: list[object] = []
        while time.monotonic() < deadline:
            try:
                with anyio.fail_after(20):
                    async with open_connection(self.target) as connection:
                        while True:
                            answer = await connection.call("submit_job", **job(seconds, wait=5, client_request_id=name))
                            state = structured(answer)
                            last.append([state.get("status"), state.get("job")])
                            if state.get("status") == "success":
                                self.ended[name] = state["job"]["job_id"]
                                return
                            known = (state.get("job") or {}).get("job_id") or ""
                            if state.get("status") == "queued" and known.startswith("local-"):
                                # Its replica died before the answer: it may have been paid for, so it is not sent again.
                                self.unknown.append(name)
                                return
                            if state.get("status") not in ("queued", "working"):
                                self.failures[str((state.get("content") or {}).get("kind"))] += 1
                                await anyio.sleep(0.3)
            except BaseException as error:  # noqa: BLE001 - a replica has gone: the client tries again
                if is_end(error):
                    raise
                last.append(repr(error))
                self.failures[type(error).__name__] += 1
                await anyio.sleep(0.1)
        raise CheckFailed(f"{name} has no end: {json.dumps(last[-6:])}\n{self.failures}")


async def under_load(target: Target, deployment: Deployment, how: signal.Signals, title: str, service: str) -> None:
    before = stats(service)
    load = Load(target, 8)
    codes = []
    async with anyio.create_task_group() as group:
        group.start_soon(load.run)
        await anyio.sleep(1)
        for number in range(REPLICAS):
            codes.append(await in_thread(deployment.restart, number, how))
            await anyio.sleep(0.7)
        load.is_over = True
    made = stats(service)["jobs"] - before["jobs"]
    names = len(load.ended) + len(load.unknown)
    seen = {"ended": len(load.ended), "unknown": load.unknown, "jobs": made, "failures": load.failures, "codes": codes}
    check(len(load.ended) >= 10, f"{title}: clients go on ({dict(load.failures)})", seen)
    check(len(set(load.ended.values())) == len(load.ended), f"{title}: each request has a job of its own", seen)
    check(len(load.ended) <= made <= names, f"{title}: {made} jobs for {names} requests: nothing is lost or paid twice", seen)
    if how == signal.SIGTERM:
        check(codes == [0] * REPLICAS and not load.unknown, f"{title}: each replica ends in order", seen)


async def taken_over(target: Target, deployment: Deployment) -> None:
    """A replica dies while it waits for jobs: another ends the waits."""
    async with open_connection(target) as connection:
        ids = [id_of(await connection.call("submit_job", **job(4, wait=0))) for _ in range(6)]
        states: list[str] = []

        async def waiting(found: str) -> None:
            while True:
                try:
                    async with open_connection(target) as own:
                        answer = await own.call("wait_job_completion", job_id=found, timeout=20)
                    states.append(structured(answer)["status"])
                    return
                except BaseException as error:  # noqa: BLE001 - its replica has died
                    if is_end(error):
                        raise

        began = time.monotonic()
        async with anyio.create_task_group() as group:
            for found in ids:
                group.start_soon(waiting, found)
            await anyio.sleep(1)
            code = await in_thread(deployment.end, 0, signal.SIGKILL)
            await anyio.sleep(1)
            await in_thread(deployment.end, 1, signal.SIGKILL)
        took = time.monotonic() - began
        check(states == ["success"] * len(ids) and code == -signal.SIGKILL and took < 25,
              f"waits of replicas that were killed end at the one that is left ({took:.0f} s)", states)
    for number in (0, 1):
        await in_thread(deployment.start, number)


def waits(replicas: list[str]) -> float:
    """How many calls wait for a job, at all replicas."""
    texts = [asked(f"{replica}/metrics")[2] for replica in replicas]
    found = [re.search(r"^pdfco_waits (\S+)$", text, re.MULTILINE) for text in texts]
    return sum(float(number[1]) for number in found if number)


def stats(service: str) -> dict:
    return json.loads(asked(f"{service}/simulator/stats")[2])


async def run_new(deployment: Deployment, key: str, service: str, old_python: str) -> None:
    target = Target(key, False, http=deployment)
    await stateless(target, deployment)
    await in_thread(old_sessions, deployment, old_python, "checks", key)
    async with anyio.create_task_group() as group:
        group.start_soon(tasks_and_updates, target)
        group.start_soon(consents, target)
    legacy = Target(key, True, http=deployment)
    await consents(legacy)
    await in_thread(page, deployment, key)
    callbacks = deployment.served("/callbacks/", 0)
    check(len(callbacks) == REPLICAS, f"callbacks came to all replicas {sorted(callbacks.values())}", callbacks)
    async with anyio.create_task_group() as group:
        group.start_soon(in_thread, old_sessions, deployment, old_python, "endure", key)
        await anyio.sleep(2)
        await under_load(target, deployment, signal.SIGTERM, "rolling restart", service)
        (deployment.home / "endured").touch()
    await under_load(target, deployment, signal.SIGKILL, "kill -9", service)
    await taken_over(target, deployment)


def old_sessions(deployment: Deployment, python: str, what: str, key: str) -> None:
    each = [argument for port in deployment.ports for argument in ("--replica", f"http://127.0.0.1:{port}")]
    ran = subprocess.run([python, __file__, what, "--url", deployment.url, "--home", str(deployment.home), *each],
                         capture_output=True, text=True, timeout=150, env={**os.environ, "PDFCO_CHECK_KEY": key})
    print(ran.stdout, end="", flush=True)
    if ran.returncode:
        raise CheckFailed(f"sessions: {what}\n{ran.stdout}\n{ran.stderr[-3000:]}")


# Sessions, in SDK 1.x


class Balancer:
    def __init__(self, url: str) -> None:
        self.url = url


async def run_old(url: str, key: str, replicas: list[str]) -> None:
    target = Target(key, True, http=Balancer(url))
    async with open_connection(target) as connection:
        check(connection.protocol == "2025-11-25", "a session is begun at one replica", connection.protocol)
        tools = [len(await connection.tools()) for _ in range(2 * REPLICAS)]
        check(len(set(tools)) == 1, "and goes on at all of them", tools)
        ids = [id_of(await connection.call("submit_job", **job(3, wait=0))) for _ in range(REPLICAS)]
        progress: list = []
        states = [structured(await connection.call("wait_job_completion", progress=progress, job_id=found, timeout=30))["status"]
                  for found in ids]
        check(states == ["success"] * REPLICAS and progress, "jobs are waited for, with progress", [states, progress])
        check(await connection.receives("notifications/resources/list_changed", lambda update: True),
              "new jobs are announced on the stream of the session", connection.received)

        found = id_of(await connection.call("submit_job", **job(3, wait=0)))
        uri = f"job://{found}"
        await connection.ask(connection.session.subscribe_resource(connection.uri(uri)))
        await connection.call("wait_job_completion", job_id=found, timeout=30)
        check(await connection.receives("notifications/resources/updated", lambda update: update["uri"] == uri),
              "a subscription brings its updates, whichever replica has it", connection.received)
        for _ in range(REPLICAS):
            await connection.ask(connection.session.unsubscribe_resource(connection.uri(uri)))

        left = id_of(await connection.call("submit_job", **job(6, wait=0)))
        began = time.monotonic()
        answer = await connection.call_and_leave(lambda: anyio.sleep(0.7), "wait_job_completion", job_id=left, timeout=30)
        with anyio.move_on_after(3):
            while waits(replicas):
                await anyio.sleep(0.1)
        check(answer is None and waits(replicas) == 0, "a request that is withdrawn ends at the replica that has it",
              [answer, waits(replicas), time.monotonic() - began])

        tasks = connection.session.experimental
        created = (await connection.ask(tasks.call_tool_as_task("submit_job", job(2), ttl=60_000)))["task"]
        states = [(await connection.ask(tasks.get_task(created["taskId"])))["status"] for _ in range(REPLICAS)]
        result = await connection.ask(tasks.get_task_result(created["taskId"], types.CallToolResult))
        check(not result["isError"] and set(states) <= {"working", "completed"},
              "a task of a session is asked for at any replica", [states, result])
        check(await connection.receives("notifications/tasks/status", lambda update: update["taskId"] == created["taskId"]
                               and update["status"] == "completed"), "and its end is announced", connection.received)
        long = (await connection.ask(tasks.call_tool_as_task("submit_job", job(600))))["task"]
        cancelled = await connection.ask(tasks.cancel_task(long["taskId"]))
        check(cancelled["status"] == "cancelled", "and it is cancelled at any", cancelled)
    await consents(target)


async def endure(url: str, key: str, home: Path) -> None:
    """One session, while the replicas are replaced."""
    target = Target(key, True, http=Balancer(url))
    answered = failed = 0
    longest, since = 0.0, time.monotonic()
    async with open_connection(target) as connection:
        while not (home / "endured").exists():
            try:
                with anyio.fail_after(10):
                    listed = await connection.call("list_jobs")
                check_quietly(not listed["isError"], "jobs are listed", listed)
                answered += 1
                longest, since = max(longest, time.monotonic() - since), time.monotonic()
            except CheckFailed:
                raise
            except Exception as error:  # noqa: BLE001 - its replica has gone
                failed += 1
                check_quietly("erminated" not in str(error), "the session is still one", repr(error))
            await anyio.sleep(0.1)
    check(answered > 20 and failed <= REPLICAS and longest < 12,
          f"a session outlives its replicas ({answered} answers, {failed} failures, at most {longest:.1f} s apart)")


def main() -> int:
    parser = argparse.ArgumentParser(description="drive replicas of pdfco through the official Python MCP SDKs")
    parser.add_argument("binary", type=str)
    parser.add_argument("--old-python")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--ledger")
    parser.add_argument("--url")
    parser.add_argument("--replica", action="append")
    options = parser.parse_args()
    deployment: Deployment | None = None
    simulator: Simulator | None = None
    try:
        if OLD_SDK:
            key = os.environ["PDFCO_CHECK_KEY"]
            anyio.run(*([endure, options.url, key, options.home] if options.binary == "endure" else [run_old, options.url, key, options.replica]))
            return 0
        print(f"# {REPLICAS} replicas behind nginx, Python SDK {SDK}", flush=True)
        binary = Path(options.binary).resolve()
        simulator = Simulator(binary, options.home)
        address = simulator.address()
        deployment = Deployment(binary, options.home, options.ledger, address["url"])
        anyio.run(run_new, deployment, address["key"], address["url"], options.old_python)
        written = deployment.errors()
        check(address["key"] not in written and "panicked" not in written, "no key and no panic on stderr", written)
    except BaseException as error:  # noqa: BLE001 - whatever it was, it is printed and counts as a failure
        if isinstance(error, KeyboardInterrupt):
            raise
        print(f"not ok - {words(error)}", flush=True)
        if deployment is not None:
            print(f"# stderr of the replicas\n{deployment.errors()}", flush=True)
        return 1
    finally:
        for child in (deployment, simulator):
            if child is not None:
                child.stop()
    print("passed", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
