// Ways to the server for `session.mjs`: the server over HTTP, and a client of either generation of the SDK.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

export const TOKEN = 'the-token-of-this-check-0123456789';

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Whether something becomes true within so many seconds. */
export async function within(seconds, holds) {
  const end = Date.now() + seconds * 1000;
  while (!(await holds())) {
    if (Date.now() > end) return false;
    await pause(20);
  }
  return true;
}

/** `pdfco serve --http`, behind a token if one is given; stopped with `stop()`, which gives its exit code. */
export async function serveHttp(binary, env, home, token) {
  const child = spawn(resolve(binary), ['serve', '--simulate', '--http', '127.0.0.1:0'], {
    cwd: home,
    env: token ? { ...env, PDFCO_HTTP_TOKEN: token } : env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const server = { errors: '', guarded: () => serveHttp(binary, env, home, TOKEN) };
  child.stderr.on('data', (chunk) => (server.errors += chunk));
  const listening = () => server.errors.match(/^Listening on (http:\/\/\S+)\/mcp/m)?.[1];
  await within(20, () => listening() || child.exitCode !== null);
  const base = listening();
  server.stop = async () => {
    if (child.exitCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    return child.exitCode;
  };
  if (!base) throw new Error(`pdfco serve does not listen: ${server.errors}`);
  server.url = `${base}/mcp`;
  // How many calls wait for a job, as the server's metrics say.
  server.waits = async () => {
    const answer = await fetch(`${base}/metrics`);
    return Number((await answer.text()).match(/^pdfco_waits (\S+)$/m)?.[1] ?? 0);
  };
  return server;
}

/**
 * A client. `target` says which generation and where: `server` of `serveHttp`, or `binary`, `env` and `home` for stdio.
 * `received` holds the notifications, `sent` the heads of HTTP requests, `granted` what subscriptions were acknowledged
 * with, which v2 reads and does not pass on. `elicitation` answers the server's questions. `dispatch` sends a request as it is, past what v2 takes for an answer.
 */
export async function connect(target, { key = 'sim_typescript', token, capabilities = {}, elicitation } = {}) {
  const isV1 = target.generation === 'v1';
  const { Client } = await import(isV1 ? '@modelcontextprotocol/sdk/client/index.js' : '@modelcontextprotocol/client');
  const connection = { received: [], sent: [], granted: [] };
  let transport;
  if (target.server) {
    const { StreamableHTTPClientTransport } = await import(
      isV1 ? '@modelcontextprotocol/sdk/client/streamableHttp.js' : '@modelcontextprotocol/client'
    );
    transport = new StreamableHTTPClientTransport(new URL(target.server.url), {
      requestInit: { headers: { ...(token && { authorization: `Bearer ${token}` }), 'x-api-key': key } },
      fetch: (url, init) => {
        connection.sent.push(new Headers(init?.headers));
        return fetch(url, init);
      },
    });
  } else {
    const { StdioClientTransport } = await import(
      isV1 ? '@modelcontextprotocol/sdk/client/stdio.js' : '@modelcontextprotocol/client/stdio'
    );
    transport = new StdioClientTransport({
      command: resolve(target.binary),
      args: ['serve', '--simulate'],
      cwd: target.home,
      stderr: 'pipe',
      env: target.env,
    });
    transport.stderr?.on('data', (chunk) => (target.errors += chunk));
  }
  const negotiation =
    target.generation === 'v2' ? { versionNegotiation: { mode: { pin: '2026-07-28' } } } : {};
  const client = new Client({ name: 'pdfco-check', version: '1.0.0' }, { capabilities, ...negotiation });
  if (elicitation) {
    const method = isV1 ? (await import('@modelcontextprotocol/sdk/types.js')).ElicitRequestSchema : 'elicitation/create';
    client.setRequestHandler(method, elicitation);
  }
  client.fallbackNotificationHandler = async (note) => void connection.received.push(note);
  await client.connect(transport);
  const hand = transport.onmessage;
  const waiting = new Map();
  transport.onmessage = (message, extra) => {
    if (waiting.has(message.id)) return waiting.get(message.id)(message);
    if (message.method === 'notifications/subscriptions/acknowledged') connection.granted.push(message.params.notifications);
    return hand(message, extra);
  };
  connection.dispatch = async (request, { signal } = {}) => {
    const id = `raw-${waiting.size}`;
    const answered = new Promise((answer) => waiting.set(id, answer));
    await transport.send({ ...request, jsonrpc: '2.0', id }, { requestSignal: signal });
    const { result, error } = await answered;
    return result ? { kind: 'result', result } : { kind: 'error', error };
  };
  connection.client = client;
  connection.sessionId = () => transport.sessionId;
  connection.call = (name, args, options = {}) =>
    isV1 ? client.callTool({ name, arguments: args }, undefined, options) : client.callTool({ name, arguments: args }, options);
  connection.receives = (method, holds) =>
    within(10, () => connection.received.some((note) => note.method === method && holds(note.params)));
  connection.close = async () => {
    // A session is ended, not left behind.
    if (transport.sessionId) await transport.terminateSession();
    await client.close();
  };
  return connection;
}

/** The code and the message that a request is refused with; code 0 when it is not. */
export async function refused(request) {
  try {
    return { code: 0, message: JSON.stringify(await request) };
  } catch (error) {
    return { code: error.code, message: error.message };
  }
}
