"""Tasks, in the dialect that each generation of the Python SDK has.

What lives here: `tasks_of_2025_11_25`, which SDK 1.x speaks through `session.experimental`, and `tasks_of_2026_07_28`,
which SDK 2.x leaves to an extension that the client brings: `Tasks` is one.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import anyio
from mcp import types
from pydantic import BaseModel, ConfigDict, TypeAdapter
from python_connections import CALL_SECONDS, OLD_SDK, OTHER_KEY, Connection, Target, open_connection

NEVER = "00000000000000000000000000000000"
RELATED = "io.modelcontextprotocol/related-task"
IMMEDIATE = "io.modelcontextprotocol/model-immediate-response"
INVALID_PARAMS, METHOD_NOT_FOUND, MISSING_CAPABILITY = -32602, -32601, -32021


def page(seconds: float, **simulated: object) -> dict:
    """A document that takes so many seconds."""
    options = {"html": "<p>a</p>", "profiles": {"Simulate": {"seconds": seconds, **simulated}}}
    return {"operation": "html_to_pdf", "options": options}


async def tasks_of_2025_11_25(connection: Connection, other: Connection | None, check) -> None:
    tasks = connection.session.experimental
    check((connection.capabilities.get("tasks") or {}).get("requests", {}).get("tools", {}).get("call") == {},
          "initialize says that tools may be called as tasks", connection.capabilities)
    support = {tool["name"]: (tool.get("execution") or {}).get("taskSupport") for tool in await connection.tools()}
    check(support["submit_job"] == support["wait_job_completion"] == "optional" and not support["list_jobs"],
          "tools/list tells which tools take tasks", support)

    created = await connection.ask(tasks.call_tool_as_task("submit_job", page(1), ttl=60_000))
    task = created["task"]
    check(task["status"] == "working" and task["ttl"] == 60_000 and task["pollInterval"] >= 5_000
          and "Job " in created["_meta"][IMMEDIATE], "a call as a task is promised at once", created)
    asked = await connection.ask(tasks.get_task(task["taskId"]))
    check(asked["taskId"] == task["taskId"] and asked["status"] == "working", "tasks/get knows it", asked)
    # The result is waited for here; that polling ends as well is seen below.
    result = await connection.ask(tasks.get_task_result(task["taskId"], types.CallToolResult))
    check(not result["isError"] and result["structuredContent"]["status"] == "success"
          and result["_meta"][RELATED]["taskId"] == task["taskId"],
          "tasks/result waits for the end and names its task", result)
    check(await connection.receives("notifications/tasks/status", lambda params: params["taskId"] == task["taskId"]
                           and params["status"] == "completed"),
          "the session is notified of the end without asking", connection.received)

    failing = (await connection.ask(tasks.call_tool_as_task("submit_job", page(1, outcome="failed"))))["task"]
    states: list[str] = []
    with anyio.fail_after(CALL_SECONDS):
        async for status in tasks.poll_task(failing["taskId"]):
            states.append(connection.plain(status)["status"])
    check(states[-1] == "completed" and set(states[:-1]) <= {"working"}, "polling a task ends with its end", states)
    result = await connection.ask(tasks.get_task_result(failing["taskId"], types.CallToolResult))
    check(result["isError"] and result["structuredContent"]["status"] == "failed",
          "a failed job is a completed task whose result is an error", result)

    long = (await connection.ask(tasks.call_tool_as_task("submit_job", page(600))))["task"]
    cancelled = await connection.ask(tasks.cancel_task(long["taskId"]))
    check(cancelled["status"] == "cancelled", "tasks/cancel answers with the cancelled task", cancelled)
    result = await connection.ask(tasks.get_task_result(long["taskId"], types.CallToolResult))
    check(result["isError"] and "cancelled" in result["content"][0]["text"], "its result says so in words", result)
    seen = await connection.refused(tasks.cancel_task(long["taskId"]))
    check(seen == (INVALID_PARAMS, "Cannot cancel task in terminal state 'cancelled'"),
          "a task that has ended cannot be cancelled", seen)

    ids = [task["taskId"], failing["taskId"], long["taskId"]]
    listed = await connection.ask(tasks.list_tasks())
    check(sorted(task["taskId"] for task in listed["tasks"]) == sorted(ids), "tasks/list has the three", listed)
    for name, request in [("tasks/get", tasks.get_task(NEVER)), ("tasks/cancel", tasks.cancel_task(NEVER)),
                          ("tasks/result", tasks.get_task_result(NEVER, types.CallToolResult))]:
        seen = await connection.refused(request)
        check(seen == (INVALID_PARAMS, f"Task not found: {NEVER}"), f"{name} of an unknown id is refused", seen)
    seen = await connection.refused(tasks.call_tool_as_task("list_jobs", {}))
    check(seen[0] == METHOD_NOT_FOUND, "a tool that takes no tasks refuses one", seen)
    if other is not None:
        others = other.session.experimental
        seen = await other.refused(others.get_task(ids[0]))
        check(seen == (INVALID_PARAMS, f"Task not found: {ids[0]}"), "to another key the task is unknown", seen)
        listed = await other.ask(others.list_tasks())
        check(listed["tasks"] == [], "and its list of tasks is empty", listed)


if not OLD_SDK:
    from mcp.client.extension import ClaimContext, ClientExtension, NotificationBinding, ResultClaim
    from mcp_types import RequestParams, Result

    PLAIN: TypeAdapter[dict] = TypeAdapter(dict[str, Any])

    class Created(Result):
        """A task as the result of a call."""

        model_config = ConfigDict(extra="allow")
        result_type: Literal["task"] = "task"
        task_id: str
        status: str

    class TaskUpdate(BaseModel):
        """What `notifications/tasks` brings."""

        model_config = ConfigDict(extra="allow")
        taskId: str
        status: str

    class Named(RequestParams):
        task_id: str

    class GetTask(types.Request[Named, Literal["tasks/get"]]):
        method: Literal["tasks/get"] = "tasks/get"
        name_param = "taskId"

    class CancelTask(types.Request[Named, Literal["tasks/cancel"]]):
        method: Literal["tasks/cancel"] = "tasks/cancel"
        name_param = "taskId"

    async def get_task(session: Any, task_id: str) -> dict:
        return await session.send_request(GetTask(params=Named(task_id=task_id)), PLAIN)

    async def cancel_task(session: Any, task_id: str) -> dict:
        return await session.send_request(CancelTask(params=Named(task_id=task_id)), PLAIN)

    class Tasks(ClientExtension):
        """The client's half of the extension: polls a promised task, and takes its result as the call's."""

        identifier = "io.modelcontextprotocol/tasks"

        def __init__(self) -> None:
            self.states: list[str] = []
            self.updates: list[dict] = []

        def claims(self):
            return [ResultClaim(result_type="task", model=Created, resolve=self.resolve)]

        def notifications(self):
            return [NotificationBinding(method="notifications/tasks", params_type=TaskUpdate, handler=self.note)]

        async def note(self, update: TaskUpdate) -> None:
            self.updates.append(update.model_dump(mode="json"))

        async def end(self, session: Any, task_id: str) -> dict:
            with anyio.fail_after(CALL_SECONDS):
                while True:
                    task = await get_task(session, task_id)
                    self.states.append(task["status"])
                    if task["status"] != "working":
                        return task
                    await anyio.sleep(min(task["pollIntervalMs"], 1_000) / 1_000)

        async def resolve(self, created: Created, context: ClaimContext) -> types.CallToolResult:
            task = await self.end(context.session, created.task_id)
            return types.CallToolResult.model_validate(task["result"])


async def tasks_of_2026_07_28(target: Target, connection: Connection, other: Connection | None, check) -> None:
    extensions = connection.capabilities.get("extensions") or {}
    check("io.modelcontextprotocol/tasks" in extensions and not connection.capabilities.get("tasks"),
          "server/discover announces the extension for tasks", connection.capabilities)
    seen = await connection.refused(get_task(connection.session.session, NEVER))
    check(seen[0] == MISSING_CAPABILITY, "tasks/get of a client that does not declare it is refused", seen)

    tasks = Tasks()
    async with open_connection(target, extensions=(tasks,)) as taking:
        session = taking.session.session
        await taking.tools()
        # A call becomes a task only after a grace of 8 seconds.
        result = await taking.call("submit_job", **page(10))
        check(tasks.states and tasks.states[-1] == "completed" and not result["isError"]
              and result["structuredContent"]["status"] == "success",
              "a declared extension makes a call a task, whose result is the call's", [tasks.states, result])
        listed = await taking.call("list_jobs")
        check(not listed["isError"] and len(tasks.states) < 20, "a tool that does not wait answers by itself", listed)

        async def promised(**arguments: object) -> dict:
            with anyio.fail_after(CALL_SECONDS):
                return taking.plain(await session.call_tool("submit_job", arguments, allow_claimed=True))

        failing = await promised(**page(10, outcome="failed"))
        check(failing["resultType"] == "task" and failing["status"] == "working" and failing["ttlMs"] >= 86_400_000
              and failing["pollIntervalMs"] >= 1_000, "the task says how long it is kept and how often to ask", failing)
        ended = await tasks.end(session, failing["taskId"])
        check(ended["status"] == "completed" and ended["result"]["isError"]
              and ended["result"]["structuredContent"]["status"] == "failed",
              "a failed job is a completed task whose result is an error", ended)

        followed = await promised(**page(12))
        wishes = types.SubscriptionFilter(resources_list_changed=True, taskIds=[followed["taskId"], NEVER])
        request = types.SubscriptionsListenRequest(
            params=types.SubscriptionsListenRequestParams(notifications=wishes))
        async with anyio.create_task_group() as group:
            group.start_soon(session.send_request, request, PLAIN)
            received = await taking.receives("notifications/subscriptions/acknowledged", lambda params: True)
            granted = taking.received[-1][1]["notifications"] if received else {}
            check(received and granted.get("taskIds") == [followed["taskId"]] and granted["resourcesListChanged"],
                  "subscriptions/listen grants the task that is there, and nothing for the one that is not", granted)
            with anyio.move_on_after(20):
                while not any(update["status"] == "completed" for update in tasks.updates):
                    await anyio.sleep(0.02)
            group.cancel_scope.cancel()
        check(tasks.updates and {update["taskId"] for update in tasks.updates} == {followed["taskId"]}
              and tasks.updates[-1]["status"] == "completed"
              and tasks.updates[-1]["result"]["structuredContent"]["status"] == "success",
              f"notifications/tasks bring the states and the result ({len(tasks.updates)})", tasks.updates)

        long = await promised(**page(600))
        await taking.ask(cancel_task(session, long["taskId"]))
        ended = await taking.ask(get_task(session, long["taskId"]))
        check(ended["status"] == "cancelled", "tasks/cancel ends a task", ended)
        for name, request in [("tasks/get", get_task), ("tasks/cancel", cancel_task)]:
            seen = await taking.refused(request(session, NEVER))
            check(seen[0] == INVALID_PARAMS, f"{name} of an unknown id is refused", seen)
        if other is not None:
            async with open_connection(target.of(OTHER_KEY), extensions=(Tasks(),)) as other:
                seen = await other.refused(get_task(other.session.session, followed["taskId"]))
                unknown = await other.refused(get_task(other.session.session, NEVER))
                check(seen[0] == INVALID_PARAMS and seen[1].replace(followed["taskId"], NEVER) == unknown[1],
                      "to another key the task is unknown", [seen, unknown])
        connection.transcript += taking.transcript + [json.dumps(tasks.updates)]
