"""Ways to the server for `python_sdk.py`: the processes, and a session, the same for both generations of the SDK.

What lives here: `Simulator` and `HttpServer`, `Target` (where the server is and who asks), `open_connection` and `Connection`. What
never does: a check of what the server answers.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import queue
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from mcp import StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

DOCUMENTS = Path(__file__).resolve().parents[2] / "fixtures" / "documents"
SDK = importlib.metadata.version("mcp")
OLD_SDK = SDK.startswith("1.")
CALL_SECONDS = 60
OTHER_KEY = "sim_another_key"

if OLD_SDK:
    import httpx
    from mcp import ClientSession
    from mcp.shared.exceptions import McpError as ProtocolError
    from pydantic import AnyUrl
else:
    import httpx2 as httpx
    from mcp import Client
    from mcp.shared.exceptions import MCPError as ProtocolError


class CheckFailed(Exception):
    """A check that does not hold."""


class Child:
    """The binary as a child process, ended with us."""

    def __init__(self, name: str, command: list[str], home: Path, env: dict[str, str]) -> None:
        self.errors = home / f"{name}.stderr"
        with self.errors.open("wb") as stderr:
            self.process = subprocess.Popen(
                command, cwd=home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True,
                env={"PATH": os.environ.get("PATH", ""), "HOME": str(home), **env})

    def stop(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Simulator(Child):
    """`pdfco simulate`."""

    def __init__(self, binary: Path, home: Path) -> None:
        super().__init__("simulate", [str(binary), "simulate", "--port", "0", "--checks", "1", "--json"], home, {})

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


class HttpServer(Child):
    """`pdfco serve --http` on this machine, without a key of its own; behind a token, it has no files either."""

    TOKEN = "the-token-of-this-check-0123456789"

    def __init__(self, binary: Path, home: Path, env: dict[str, str], *, name: str = "serve", token: str = "") -> None:
        super().__init__(name, [str(binary), "serve", "--http", "127.0.0.1:0"], home,
                         {**env, **({"PDFCO_HTTP_TOKEN": token} if token else {})})
        self.guarded = lambda: HttpServer(binary, home, env, name="guarded", token=self.TOKEN)
        deadline = time.monotonic() + 20
        while not (found := re.search(r"^Listening on (http://\S+/mcp)", self.errors.read_text(), re.MULTILINE)):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise CheckFailed(f"pdfco serve does not listen: {self.errors.read_text()!r}")
            time.sleep(0.02)
        self.url = found[1]

    def _waits(self) -> float:
        request = urllib.request.Request(self.url.removesuffix("/mcp") + "/metrics")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as answer:
            found = re.search(r"^pdfco_waits (\S+)$", answer.read().decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    async def waits(self) -> float:
        """How many calls wait for a job, as the server's metrics say."""
        return await anyio.to_thread.run_sync(self._waits)

    async def waits_are(self, holds: Callable[[float], bool], seconds: float) -> bool:
        """Whether that number becomes right within so many seconds."""
        with anyio.move_on_after(seconds):
            while not holds(await self.waits()):
                await anyio.sleep(0.05)
            return True
        return False


@dataclass
class Target:
    """Where the server is and who asks there."""

    key: str
    is_legacy: bool
    stdio: StdioServerParameters | None = None
    errlog: object = None
    http: HttpServer | None = None
    # The same, at a server that asks about prices.
    asking: Target | None = None

    def of(self, key: str) -> Target:
        """The same place for another key."""
        return Target(key, self.is_legacy, self.stdio, self.errlog, self.http)


@dataclass
class Connection:
    """One MCP session. Answers are plain JSON."""

    session: object
    protocol: str
    capabilities: dict
    transcript: list[str] = field(default_factory=list)
    # Notifications, as pairs of method and parameters.
    received: list[tuple[str, dict]] = field(default_factory=list)
    # The heads of HTTP requests.
    sent: list[dict] = field(default_factory=list)

    def plain(self, model: object) -> dict:
        plain = model if isinstance(model, dict) else model.model_dump(mode="json", by_alias=True)
        self.transcript.append(json.dumps(plain, ensure_ascii=False))
        return plain

    async def ask(self, request: Awaitable) -> dict:
        """The answer to a request of the SDK."""
        with anyio.fail_after(CALL_SECONDS):
            return self.plain(await request)

    async def refused(self, request: Awaitable) -> tuple[int, str]:
        """The code and the message that a request is refused with; (0, …) when it is not."""
        try:
            answer = await self.ask(request)
        except ProtocolError as error:
            return error.error.code, error.error.message
        return 0, json.dumps(answer)

    async def tools(self) -> list[dict]:
        return (await self.ask(self.session.list_tools()))["tools"]

    async def call(self, tool: str, progress: list | None = None, **arguments: object) -> dict:
        async def received(value: float, total: float | None, message: str | None) -> None:
            progress.append((value, total, message))

        callback = {} if progress is None else {"progress_callback": received}
        return await self.ask(self.session.call_tool(tool, arguments, **callback))

    async def call_and_leave(self, when: Callable[[], Awaitable], tool: str, **arguments: object) -> dict | None:
        """Withdraws the call once `when` returns; None when it really was withdrawn before it answered."""
        request_id = getattr(self.session, "_request_id", None)
        answer = None
        async with anyio.create_task_group() as group:
            async def calling() -> None:
                nonlocal answer
                answer = await self.session.call_tool(tool, arguments)
                group.cancel_scope.cancel()

            group.start_soon(calling)
            await when()
            group.cancel_scope.cancel()
        if answer is None and OLD_SDK:  # SDK 1.x stops listening but does not tell the server
            params = types.CancelledNotificationParams(requestId=request_id, reason="not needed any more")
            await self.session.send_notification(types.ClientNotification(
                types.CancelledNotification(method="notifications/cancelled", params=params)))
        return None if answer is None else self.plain(answer)

    def uri(self, text: str) -> object:
        return AnyUrl(text) if OLD_SDK else text

    async def receives(self, method: str, holds: Callable[[dict], bool], seconds: float = 10) -> bool:
        """Whether a notification like this comes, or came, within so many seconds."""
        with anyio.move_on_after(seconds):
            while not any(name == method and holds(params) for name, params in self.received):
                await anyio.sleep(0.02)
            return True
        return False


@asynccontextmanager
async def open_connection(target: Target, *, token: str = "", extensions: tuple = (), elicitation: Callable | None = None):
    """A session; `extensions` are those of SDK 2.x, `elicitation` answers the server's questions."""
    connection = Connection(None, "", {})
    asks = {"elicitation_callback": elicitation} if elicitation else {}

    async def note(message: object) -> None:
        message = getattr(message, "root", message)  # SDK 1.x has it in a shell
        if hasattr(message, "method") and hasattr(message, "params"):
            params = message.params.model_dump(mode="json", by_alias=True) if message.params else {}
            connection.received.append((message.method, params))

    async def record(request: object) -> None:
        connection.sent.append(dict(request.headers))

    @asynccontextmanager
    async def transport():
        if target.stdio is not None:
            async with stdio_client(target.stdio, errlog=target.errlog) as streams:
                yield streams[:2]
            return
        headers = {"x-api-key": target.key, **({"Authorization": f"Bearer {token}"} if token else {})}
        async with (
            httpx.AsyncClient(headers=headers, timeout=httpx.Timeout(30, read=300), trust_env=False,
                              event_hooks={"request": [record]}) as client,
            streamable_http_client(target.http.url, http_client=client) as streams,
        ):
            yield streams[:2]

    if OLD_SDK:
        async with (
            transport() as (reader, writer),
            ClientSession(reader, writer, message_handler=note, **asks) as connection.session,
        ):
            with anyio.fail_after(CALL_SECONDS):
                initialized = await connection.session.initialize()
            connection.protocol = initialized.protocolVersion
            connection.capabilities = initialized.capabilities.model_dump(mode="json", by_alias=True)
            yield connection
    else:
        mode = "legacy" if target.is_legacy else "auto"
        async with Client(transport(), mode=mode, message_handler=note, extensions=list(extensions),
                          **asks) as connection.session:
            connection.protocol = connection.session.protocol_version
            connection.capabilities = connection.session.server_capabilities.model_dump(mode="json", by_alias=True)
            yield connection
