// Tasks, in the dialect that each generation of the SDK has: v1 speaks 2025-11-25 through `experimental.tasks`, v2 has
// given them to a library of its own.

import { connect, refused } from './connections.mjs';

const NEVER = '00000000000000000000000000000000';
const RELATED = 'io.modelcontextprotocol/related-task';
const EXTENSION = 'io.modelcontextprotocol/tasks';

/** A document that takes so many seconds. */
export const page = (seconds, simulated = {}) => ({
  operation: 'html_to_pdf',
  options: { html: '<p>a</p>', profiles: { Simulate: { seconds, ...simulated } } },
});

export async function tasksOf20251125(connection, other, check) {
  const { CallToolResultSchema, CreateTaskResultSchema } = await import('@modelcontextprotocol/sdk/types.js');
  const tasks = connection.client.experimental.tasks;
  const announced = connection.client.getServerCapabilities().tasks;
  check(announced?.requests?.tools?.call && announced.list && announced.cancel, 'initialize tells of tasks', announced);
  const promise = (args) =>
    connection.client.request(
      { method: 'tools/call', params: { name: 'submit_job', arguments: args } },
      CreateTaskResultSchema,
      { task: { ttl: 60_000 } },
    );

  // The SDK polls, asks for the result and checks it against the output schema.
  const messages = [];
  for await (const message of tasks.callToolStream(
    { name: 'submit_job', arguments: page(1) },
    CallToolResultSchema,
    { task: { ttl: 60_000 } },
  )) {
    messages.push(message);
  }
  const [first, last] = [messages[0], messages.at(-1)];
  check(first.type === 'taskCreated' && first.task.status === 'working', 'a call as a task is promised at once', first);
  check(
    last.type === 'result' && !last.result.isError && last.result.structuredContent.status === 'success',
    `polling it ends with the result of the call (${messages.length} messages)`,
    messages,
  );
  const isEnd = (note) => note.taskId === first.task.taskId && note.status === 'completed';
  check(await connection.receives('notifications/tasks/status', isEnd), 'the session is notified of the end without asking', connection.received);

  const failing = (await promise(page(1, { outcome: 'failed' }))).task;
  const result = await tasks.getTaskResult(failing.taskId, CallToolResultSchema);
  check(
    result.isError && result.structuredContent.status === 'failed' && result._meta[RELATED].taskId === failing.taskId,
    'tasks/result waits; a failed job is a completed task whose result is an error',
    result,
  );
  check((await tasks.getTask(failing.taskId)).status === 'completed', 'and tasks/get says so');

  const long = (await promise(page(600))).task;
  const cancelled = await tasks.cancelTask(long.taskId);
  check(cancelled.status === 'cancelled', 'tasks/cancel answers with the cancelled task', cancelled);
  const again = await refused(tasks.cancelTask(long.taskId));
  check(again.code === -32602 && again.message.includes('terminal state'), 'it cannot be cancelled twice', again);
  const ids = [first.task.taskId, failing.taskId, long.taskId].sort();
  const listed = (await tasks.listTasks()).tasks.map((task) => task.taskId).sort();
  check(JSON.stringify(listed) === JSON.stringify(ids), 'tasks/list has the three', listed);
  for (const [name, request] of [
    ['tasks/get', () => tasks.getTask(NEVER)],
    ['tasks/cancel', () => tasks.cancelTask(NEVER)],
    ['tasks/result', () => tasks.getTaskResult(NEVER, CallToolResultSchema)],
  ]) {
    const seen = await refused(request());
    check(seen.code === -32602 && seen.message.includes(NEVER), `${name} of an unknown id is refused`, seen);
  }
  const seen = await refused(
    connection.client.request({ method: 'tools/call', params: { name: 'list_jobs', arguments: {} } }, CreateTaskResultSchema, {
      task: {},
    }),
  );
  check(seen.code === -32601, 'a tool that takes no tasks refuses one', seen);
  if (other) {
    const others = other.client.experimental.tasks;
    check((await refused(others.getTask(ids[0]))).code === -32602, 'to another key the task is unknown');
    check((await others.listTasks()).tasks.length === 0, 'and its list of tasks is empty');
  }
}

/**
 * Through the official library for tasks beside SDK v2, which speaks the dialect that it finds: in a session that of
 * 2025-11-25, else the extension of 2026-07-28.
 */
export async function tasksByLibrary(target, connection, other, check) {
  const { createTaskSessionFromClient, resultFromTaskOutcome, toolDeclarationFromMcpTool } = await import(
    '@modelcontextprotocol/ext-tasks/client'
  );
  const isModern = target.generation === 'v2';
  const capabilities = isModern ? { extensions: { [EXTENSION]: {} } } : {};
  const framing = { protocolVersion: '2026-07-28', clientInfo: { name: 'pdfco-check', version: '1.0.0' } };
  const announced = connection.client.getServerCapabilities();
  check(
    Boolean(announced.extensions?.[EXTENSION]) === isModern && Boolean(announced.tasks) === !isModern,
    'the server tells of the tasks of this revision, and of no others',
    announced,
  );

  const opened = [];
  const open = async (key) => {
    const taking = await connect(target, { key, capabilities });
    const tools = new Map((await taking.client.listTools()).tools.map((tool) => [tool.name, toolDeclarationFromMcpTool(tool)]));
    const session = createTaskSessionFromClient(taking.client, {
      endpointId: 'pdfco',
      tools: { currentTool: (name) => tools.get(name) },
      ...(isModern && { rawDispatch: taking.dispatch, v2RequestFraming: { ...framing, clientCapabilities: capabilities } }),
    });
    opened.push(session, taking);
    return { taking, session };
  };
  try {
    const { taking, session } = await open();
    const call = (args, tool = 'submit_job') => session.callTool(tool, args, { task: { preference: 'prefer' } });

    // With the extension a call becomes a task only after a grace of 8 seconds.
    const seconds = isModern ? 10 : 1;
    const execution = await call(page(seconds));
    check(execution.kind === 'task' && /^\S+\.\w{32}$/.test(execution.handle.taskId), 'a call that lasts becomes a task', execution);
    const states = [];
    const { outcome } = await execution.settle({ onEvent: (event) => void states.push(event.task?.status ?? event.type) });
    const result = resultFromTaskOutcome(outcome);
    check(
      !result.isError && result.structuredContent.status === 'success' && states.includes('working'),
      `and settles with the result of the call (${states.join(', ')})`,
      [states, result],
    );
    const failing = (await (await call(page(seconds, { outcome: 'failed' }))).settle()).outcome;
    check(
      failing.status === 'completed' && failing.result.isError && failing.result.structuredContent.status === 'failed',
      'a failed job is a completed task whose result is an error',
      failing,
    );
    const long = await call(page(600));
    await long.cancel();
    const ended = (await long.settle()).outcome;
    check(ended.status === 'cancelled', 'a cancelled task settles as cancelled', ended);
    const listed = await call({}, 'list_jobs');
    check(listed.kind === 'immediate' && !(await listed.settle()).outcome.result.isError, 'what does not wait is no task');

    const unknown = await refused(session.task(NEVER).snapshot());
    check(unknown.code === -32602, 'an unknown task is refused', unknown);
    if (other) {
      const { session: others } = await open('sim_another_key');
      const theirs = await refused(others.task(execution.handle.taskId).snapshot());
      check(
        theirs.code === -32602 && theirs.message.replace(execution.handle.taskId, NEVER) === unknown.message,
        'to another key the task is as unknown as one that does not exist',
        [theirs, unknown],
      );
      if (!isModern) check((await others.listTasks()).tasks.length === 0, 'and its list of tasks is empty');
    }
    if (isModern) {
      await notifications(taking, call, check);
      const { fromJsonSchema } = await import('@modelcontextprotocol/client');
      const asked = connection.client.request({ method: 'tasks/get', params: { taskId: NEVER } }, fromJsonSchema({ type: 'object' }));
      const seen = await refused(asked);
      check(seen.code === -32021, 'tasks/get of a client that does not declare the extension is refused', seen);
    }
  } finally {
    for (const open of opened) await open.close();
  }
}

/** `subscriptions/listen` with a task in it. */
async function notifications(taking, call, check) {
  const followed = (await call(page(12))).handle.taskId;
  const subscription = await taking.client.listen({ taskIds: [followed, NEVER], resourcesListChanged: true });
  const granted = taking.granted.at(-1);
  check(
    JSON.stringify(granted.taskIds) === JSON.stringify([followed]) && granted.resourcesListChanged,
    'subscriptions/listen grants the task that is there, and nothing for the one that is not',
    granted,
  );
  const isEnd = (note) => note.taskId === followed && note.status === 'completed';
  check(await taking.receives('notifications/tasks', isEnd), 'notifications/tasks come until the end', taking.received);
  const last = taking.received.findLast((note) => note.method === 'notifications/tasks').params;
  check(last.result.structuredContent.status === 'success', 'the last one brings the result', last);
  await subscription.close();
}
