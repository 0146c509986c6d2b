// Drives the binary through the official TypeScript SDK over stdio or HTTP, offline:
//
//     npm install --no-package-lock && node session.mjs path/to/pdfco [v1 | v2 | v2-legacy] [--http]
//
// v1 is SDK 1.x, the one most assistants are built on; v2 asks for revision 2026-07-28; v2-legacy is the same SDK with
// `initialize`. With --http the server stands behind a token and gets the key with each request. One `ok` line per
// check; the first that does not hold ends the run with exit code 1.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { TOKEN, connect, pause, refused, serveHttp, within } from './connections.mjs';
import { page, tasksByLibrary, tasksOf20251125 } from './tasks.mjs';

const isHttp = process.argv.includes('--http');
const [binary, generation = 'v2'] = process.argv.slice(2).filter((word) => word !== '--http');
if (!binary || !['v1', 'v2', 'v2-legacy'].includes(generation)) {
  console.error('usage: node session.mjs path/to/pdfco [v1 | v2 | v2-legacy] [--http]');
  process.exit(2);
}
const isModern = generation === 'v2';
// The checks may run from a copy of this folder, so where the documents are can be said.
const documents =
  process.env.PDFCO_FIXTURES ?? resolve(dirname(fileURLToPath(import.meta.url)), '../../../fixtures/documents');
const home = mkdtempSync(join(tmpdir(), 'pdfco-typescript-'));
const env = {
  PATH: process.env.PATH,
  HOME: home,
  PDFCO_LEDGER: join(home, 'ledger.sqlite'),
  PDFCO_FILES: `${documents}:${home}`,
  PDFCO_DOWNLOAD_DIR: join(home, 'out'),
  // As on a paid plan, and impatient: the checks are not about how long jobs take.
  PDFCO_RATE_LIMIT: '10',
  PDFCO_CHECK_WORTH_SECONDS: '0.2',
};
const SENTENCE = 'Page 3 of 5 explains';
const UNKNOWN_JOB = 'NOBODYS0NOBODYS0NOBODYS0NOBODYS0--151-300';
let passed = 0;

function check(holds, title, seen) {
  if (!holds) throw new Error(`${title}\n  seen: ${JSON.stringify(seen, null, 2)?.slice(0, 4000)}`);
  passed += 1;
  console.log(`ok - ${title}`);
}

/** The main job, from the list of tools to the text; gives the job's id. */
async function tour({ client, call }) {
  const { tools } = await client.listTools();
  const names = tools.map((tool) => tool.name);
  check(
    ['submit_job', 'wait_job_completion', 'read_result'].every((name) => names.includes(name)),
    `tools/list has the tools (${names.length})`,
    names,
  );

  // From here on the SDK checks every structuredContent against the tool's output schema.
  const submitted = await call('submit_job', { operation: 'pdf_to_text', url: join(documents, 'report.pdf'), wait: 0 });
  const jobId = submitted.structuredContent?.job?.job_id;
  check(
    !submitted.isError && ['queued', 'working'].includes(submitted.structuredContent?.status) && jobId,
    'submit_job with wait 0 returns at once and names the job',
    submitted,
  );

  const received = [];
  const waited = await call(
    'wait_job_completion',
    { job_id: jobId, timeout: 40 },
    { onprogress: (progress) => received.push(progress.progress), resetTimeoutOnProgress: true, timeout: 60_000 },
  );
  check(!waited.isError && waited.structuredContent?.status === 'success', 'wait_job_completion ends with success', waited);
  check(
    received.length > 0 && received.every((value, index) => index === 0 || value > received[index - 1]),
    `progress arrives and only ever rises (${received.length} notifications)`,
    received,
  );

  const read = await call('read_result', { job_id: jobId });
  check(
    !read.isError && read.content.some((block) => block.type === 'text' && block.text.includes(SENTENCE)),
    'read_result has the sentence of page 3',
    read,
  );

  const wrong = await call('submit_job', { operation: 'pdf_to_nothing', url: 'x' });
  check(wrong.isError && wrong.structuredContent?.content?.kind, 'an unknown operation is an error with a kind', wrong);
  return jobId;
}

/** A wait that is withdrawn ends on the server too, and its job goes on. */
async function leaving({ call }, server) {
  const submitted = await call('submit_job', { ...page(4), wait: 0 });
  const jobId = submitted.structuredContent.job.job_id;
  const leave = new AbortController();
  const waiting = refused(call('wait_job_completion', { job_id: jobId, timeout: 30 }, { signal: leave.signal }));
  if (server) {
    check(await within(10, async () => (await server.waits()) >= 1), 'a wait shows in the metrics');
  } else {
    await pause(400);
  }
  leave.abort('not needed any more');
  const answer = await waiting;
  check(answer.code !== 0, 'a wait is withdrawn', answer);
  if (server) check(await within(2, async () => (await server.waits()) === 0), 'and gone from them within two seconds');
  const waited = await call('wait_job_completion', { job_id: jobId, timeout: 40 });
  check(waited.structuredContent?.status === 'success', 'the job outlives the withdrawn wait', waited);
}

/** Jobs as resources, and what a person picks in a client. */
async function resources({ client }, jobId) {
  const uri = `job://${jobId}`;
  const listed = (await client.listResources()).resources.map((resource) => resource.uri);
  check(listed.includes(uri), 'resources/list has the job', listed);
  const { resourceTemplates } = await client.listResourceTemplates();
  const forms = resourceTemplates.map((template) => template.uriTemplate).join(' ');
  check(forms === 'job://{job_id} job://{job_id}/result', "the two forms of a job's address are templates", forms);
  const [record] = (await client.readResource({ uri })).contents;
  check(JSON.parse(record.text).status === 'success', 'resources/read of a job is its record', record);
  const [text] = (await client.readResource({ uri: `${uri}/result` })).contents;
  check(text.text.includes(SENTENCE), 'and of its result the text', text);
  const seen = await refused(client.readResource({ uri: 'job://UNKNOWN' }));
  // SDK v2 makes the newer code of the older one.
  check(seen.code === (generation === 'v1' ? -32002 : -32602), 'an unknown address is refused', seen);

  const prompts = (await client.listPrompts()).prompts.map((prompt) => prompt.name);
  check(prompts.includes('jobs_postmortem') && prompts.includes('process_document'), 'prompts/list has the two', prompts);
  const prompt = await client.getPrompt({ name: 'jobs_postmortem', arguments: { job_id: jobId } });
  check(prompt.messages[0].content.text.includes(jobId), 'prompts/get fills in what is known of the job', prompt);
  const offered = await client.complete({
    ref: { type: 'ref/prompt', name: 'jobs_postmortem' },
    argument: { name: 'job_id', value: jobId.slice(0, 8) },
  });
  check(offered.completion.values.includes(jobId), 'completion offers the id that was begun', offered);
}

/** A subscriber of a job is notified of it. */
async function notifications(connection) {
  const submitted = await connection.call('submit_job', { ...page(1), wait: 0 });
  const jobId = submitted.structuredContent.job.job_id;
  const uri = `job://${jobId}`;
  let subscription;
  if (isModern) {
    subscription = await connection.client.listen({ resourceSubscriptions: [uri] });
    check(subscription.honoredFilter.resourceSubscriptions?.[0] === uri, 'subscriptions/listen grants the job', subscription);
  } else {
    await connection.client.subscribeResource({ uri });
  }
  await connection.call('wait_job_completion', { job_id: jobId, timeout: 40 });
  check(
    await connection.receives('notifications/resources/updated', (note) => note.uri === uri),
    'a subscriber of a job is notified of it',
    connection.received,
  );
  await (subscription ? subscription.close() : connection.client.unsubscribeResource({ uri }));
}

/** Over HTTP: the token, and two keys at one server. */
async function other_keys(target, connection, other, jobId) {
  const guarded = await target.server.guarded();
  const inside = await connect({ ...target, server: guarded }, { token: TOKEN });
  check(!(await inside.call('list_jobs', {})).isError, 'the token lets in');
  await inside.client.close();
  const shut = await refused(connect({ ...target, server: guarded }, { token: 'not-the-token' }));
  await guarded.stop();
  check(/Authorization: Bearer|HTTP 401/.test(shut.message), 'a wrong token is refused, and the client learns why', shut);
  const listed = await other.call('list_jobs', {});
  check(!listed.isError && !JSON.stringify(listed).includes(jobId), 'another key does not see the job in a list', listed);
  check((await other.client.listResources()).resources.length === 0, 'another key has no resources');
  for (const [name, ask] of [
    ['resources/read', (id) => refused(other.client.readResource({ uri: `job://${id}` }))],
    ['read_result', (id) => other.call('read_result', { job_id: id })],
  ]) {
    const seen = [];
    for (const id of [jobId, UNKNOWN_JOB]) {
      // Looks cost credits, so what is left of them differs.
      const text = JSON.stringify(await ask(id)).replaceAll(id, 'ID');
      seen.push(text.replace(/credits_remaining[\\": ]+\d+/g, ''));
    }
    check(seen[0] === seen[1], `to ${name} with another key the job is as one that does not exist`, seen);
  }
  const named = connection.sent.map((head) => head.get('mcp-param-jobid')).filter(Boolean);
  if (isModern) {
    check(named.includes(jobId), `calls about a job name it in a header (${named.length})`, named);
    check(!connection.sessionId(), 'without a session');
  } else {
    check(connection.sessionId() && named.length === 0, 'in a session', named);
  }
}

/** A price above the threshold: the person declines, then agrees; a client that cannot ask gets the estimate. */
async function consent(asking) {
  const questions = [];
  const actions = ['decline', 'accept'];
  const elicitation = async (request) => {
    questions.push(request.params.message);
    const action = actions.shift();
    return action === 'accept' ? { action, content: {} } : { action };
  };
  const args = { operation: 'barcode_generate', options: { value: 'pdfco' }, wait: 30 };
  const asks = await connect(asking, { capabilities: { elicitation: {} }, elicitation });
  const declined = await asks.call('submit_job', args);
  check(declined.isError && questions.length === 1, 'a person who declines a price ends the call', declined);
  const agreed = await asks.call('submit_job', args);
  check(!agreed.isError && questions.length === 2, 'a person who agrees to a price starts the job', agreed);
  check(questions[0].includes('barcode_generate will cost 7 credits'), 'the question says what and how much', questions);
  await asks.close();
  const silent = await connect(asking);
  const refused = await silent.call('submit_job', args);
  const { estimate, hint } = refused.structuredContent.content;
  check(refused.isError && estimate && hint.includes('PDFCO_CONFIRM_CREDITS'), 'a client that cannot ask gets the estimate', refused);
  await silent.close();
}

const target = { generation, binary, env, home, errors: '' };
const connections = [];
try {
  console.log(`# TypeScript SDK ${generation} over ${isHttp ? 'HTTP' : 'stdio'} on Node ${process.version}`);
  if (isHttp) target.server = await serveHttp(binary, env, home);
  const connection = await connect(target);
  connections.push(connection);
  check(true, 'connected');
  const other = isHttp ? await connect(target, { key: 'sim_another_key' }) : undefined;
  if (other) connections.push(other);
  const jobId = await tour(connection);
  await leaving(connection, target.server);
  await resources(connection, jobId);
  await notifications(connection);
  if (other) await other_keys(target, connection, other, jobId);
  if (generation === 'v1') await tasksOf20251125(connection, other, check);
  else await tasksByLibrary(target, connection, other, check);
  const asking = { ...target, server: undefined, env: { ...env, PDFCO_CONFIRM_CREDITS: '3', PDFCO_LEDGER: 'memory' } };
  if (isHttp) asking.server = await serveHttp(binary, asking.env, home);
  await consent(asking);
  await asking.server?.stop();
} catch (error) {
  console.log(`not ok - ${error.stack ?? error}`);
  const errors = target.errors + (target.server?.errors ?? '');
  if (errors) console.log(`# stderr, its end:\n${errors.slice(-3000)}`);
  process.exitCode = 1;
} finally {
  for (const connection of connections) await connection.close().catch((error) => console.log(`# closing: ${error.message}`));
  const code = await target.server?.stop();
  if (code) {
    console.log(`not ok - asked to stop, the server ended with ${code}`);
    process.exitCode = 1;
  }
  rmSync(home, { recursive: true, force: true });
}
console.log(`${passed} passed, ${process.exitCode ? 1 : 0} failed`);
