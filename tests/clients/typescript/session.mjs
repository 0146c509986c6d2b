// Drives the binary through the official TypeScript SDK over stdio, offline:
//
//     npm install --no-package-lock && node session.mjs path/to/pdfco [v1 | v2 | v2-legacy]
//
// v1 is SDK 1.x, the one most assistants are built on; v2 asks for revision 2026-07-28; v2-legacy is the same SDK with
// `initialize`. One `ok` line per check; the first that does not hold ends the run with exit code 1.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const [binary, generation = 'v2'] = process.argv.slice(2);
if (!binary || !['v1', 'v2', 'v2-legacy'].includes(generation)) {
  console.error('usage: node session.mjs path/to/pdfco [v1 | v2 | v2-legacy]');
  process.exit(2);
}
// The checks may run from a copy of this folder, so where the documents are can be said.
const documents =
  process.env.PDFCO_FIXTURES ?? resolve(dirname(fileURLToPath(import.meta.url)), '../../../fixtures/documents');
const home = mkdtempSync(join(tmpdir(), 'pdfco-typescript-'));
let passed = 0;
let errors = '';

function check(holds, title, seen) {
  if (!holds) throw new Error(`${title}\n  seen: ${JSON.stringify(seen, null, 2)?.slice(0, 4000)}`);
  passed += 1;
  console.log(`ok - ${title}`);
}

async function connect() {
  const v1 = generation === 'v1';
  const { Client } = await import(v1 ? '@modelcontextprotocol/sdk/client/index.js' : '@modelcontextprotocol/client');
  const { StdioClientTransport } = await import(
    v1 ? '@modelcontextprotocol/sdk/client/stdio.js' : '@modelcontextprotocol/client/stdio'
  );
  const transport = new StdioClientTransport({
    command: resolve(binary),
    args: ['serve', '--simulate'],
    cwd: home,
    stderr: 'pipe',
    env: {
      PATH: process.env.PATH,
      HOME: home,
      PDFCO_LEDGER: join(home, 'ledger.sqlite'),
      PDFCO_FILES: `${documents}:${home}`,
      PDFCO_DOWNLOAD_DIR: join(home, 'out'),
    },
  });
  transport.stderr?.on('data', (chunk) => (errors += chunk));
  const options = generation === 'v2' ? { versionNegotiation: { mode: { pin: '2026-07-28' } } } : {};
  const client = new Client({ name: 'pdfco-check', version: '1.0.0' }, options);
  await client.connect(transport);
  return client;
}

async function session(client) {
  const call = (name, args, options = {}) =>
    generation === 'v1'
      ? client.callTool({ name, arguments: args }, undefined, options)
      : client.callTool({ name, arguments: args }, options);

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

  const heard = [];
  const waited = await call(
    'wait_job_completion',
    { job_id: jobId, timeout: 40 },
    { onprogress: (progress) => heard.push(progress.progress), resetTimeoutOnProgress: true, timeout: 60_000 },
  );
  check(!waited.isError && waited.structuredContent?.status === 'success', 'wait_job_completion ends with success', waited);
  check(
    heard.every((value, index) => index === 0 || value > heard[index - 1]),
    `progress only ever rises (${heard.length} notifications)`,
    heard,
  );

  const read = await call('read_result', { job_id: jobId });
  check(
    !read.isError && read.structuredContent?.output?.text?.includes('Page 3 of 5 explains'),
    'read_result has the sentence of page 3',
    read,
  );

  const refused = await call('submit_job', { operation: 'pdf_to_nothing', url: 'x' });
  check(refused.isError && refused.structuredContent?.content?.kind, 'an unknown operation is an error with a kind', refused);
}

let client;
try {
  console.log(`# TypeScript SDK ${generation} on Node ${process.version}`);
  client = await connect();
  check(true, 'connected');
  await session(client);
} catch (error) {
  console.log(`not ok - ${error.stack ?? error}`);
  if (errors) console.log(`# stderr, its end:\n${errors.slice(-3000)}`);
  process.exitCode = 1;
} finally {
  await client?.close();
  rmSync(home, { recursive: true, force: true });
}
console.log(`${passed} passed, ${process.exitCode ? 1 : 0} failed`);
