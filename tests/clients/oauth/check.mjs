// Single sign-on end to end: node check.mjs path/to/pdfco path/to/python
//
// An authorization server of npm, the official SDKs of TypeScript (generations 1 and 2) and Python as clients, and tokens
// that a forger, a withdrawn person or another resource would show.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

import { signIn, startIssuer } from './issuer.mjs';

const [binary, python] = process.argv.slice(2);
const CALLBACK = 'http://127.0.0.1:9/callback';
const here = import.meta.dirname;
const home = mkdtempSync(join(tmpdir(), 'pdfco-oauth-'));
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

let passed = 0;
async function check(what, holds) {
  await holds();
  passed += 1;
  console.log(`ok - ${what}`);
}

const issuer = await startIssuer();
const env = {
  PATH: process.env.PATH,
  HOME: home,
  PDFCO_OAUTH_ISSUER: issuer.address,
  PDFCO_OAUTH_KEY_CLAIM: 'pdfco_key',
  PDFCO_LEDGER: join(home, 'ledger.sqlite'),
};
for (const person of ['alice', 'bob']) issuer.claims[person] = { pdfco_key: 'sim_company' };
const server = spawn(resolve(binary), ['serve', '--simulate', '--http', '127.0.0.1:0'], {
  cwd: home,
  env,
  stdio: ['ignore', 'ignore', 'pipe'],
});
let errors = '';
server.stderr.on('data', (chunk) => (errors += chunk));
for (let tries = 0; !/^Listening on/m.test(errors); tries += 1) {
  if (tries > 200 || server.exitCode !== null) throw new Error(`pdfco does not listen: ${errors}`);
  await pause(50);
}
const url = errors.match(/^Listening on (http:\S+\/mcp-oauth)/m)[1];
issuer.resource = url;

/** What a client of the SDK keeps, in memory. */
function provider(person, known = {}) {
  return {
    ...known,
    redirectUrl: CALLBACK,
    clientMetadata: {
      client_name: 'check',
      redirect_uris: [CALLBACK],
      application_type: 'native',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    },
    clientInformation() { return this.client; },
    saveClientInformation(client) { this.client = client; },
    tokens() { return this.saved; },
    saveTokens(tokens) { this.saved = tokens; },
    saveCodeVerifier(verifier) { this.verifier = verifier; },
    codeVerifier() { return this.verifier; },
    async redirectToAuthorization(address) { this.landed = await signIn(address, person, CALLBACK); },
  };
}

async function sdk(generation) {
  if (generation === 'v1') {
    const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
    const { StreamableHTTPClientTransport } = await import('@modelcontextprotocol/sdk/client/streamableHttp.js');
    return { Client, StreamableHTTPClientTransport };
  }
  return import('@modelcontextprotocol/client');
}

/** Signs `person` in and returns the client. */
async function connect(generation, person) {
  const { Client, StreamableHTTPClientTransport } = await sdk(generation);
  const authProvider = provider(person);
  const make = () => [
    new Client({ name: 'check', version: '1' }),
    new StreamableHTTPClientTransport(new URL(url), { authProvider }),
  ];
  let [client, transport] = make();
  const refused = await client.connect(transport).then(() => undefined, (error) => error);
  assert.match(String(refused), /Unauthorized/i, `${refused?.stack}`);
  await (generation === 'v1'
    ? transport.finishAuth(authProvider.landed.searchParams.get('code'))
    : transport.finishAuth(authProvider.landed.searchParams));
  await transport.close().catch(() => {});
  [client, transport] = make();
  await client.connect(transport);
  return { client, transport, authProvider };
}

const submit = { name: 'submit_job', arguments: { operation: 'html_to_pdf', options: { html: '<p>a</p>' }, wait: 10 } };
const jobs = async (client) =>
  (await client.callTool({ name: 'list_jobs', arguments: {} })).structuredContent.content.total;

/** A bare request with a token. */
async function ask(token, more = {}) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...more.headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping', ...more.message }),
  });
  return { status: answer.status, challenge: answer.headers.get('www-authenticate') ?? '', headers: answer.headers, text: await answer.text() };
}
const call = (name, argumentsOf = {}) => ({ message: { method: 'tools/call', params: { name, arguments: argumentsOf } } });
const initialize = {
  message: {
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'check', version: '1' } },
  },
};
async function session(token) {
  const opened = await ask(token, initialize);
  assert.equal(opened.status, 200, opened.text);
  return { 'mcp-session-id': opened.headers.get('mcp-session-id') };
}

try {
  let alice;
  for (const generation of ['v1', 'v2']) {
    await check(`TypeScript SDK ${generation}: discovery, registration, PKCE, consent, a job`, async () => {
      const signedIn = await connect(generation, 'alice');
      const { tools } = await signedIn.client.listTools();
      assert.ok(tools.some((tool) => tool.name === 'submit_job'));
      const done = await signedIn.client.callTool(submit);
      assert.equal(done.structuredContent.status, 'success', JSON.stringify(done));
      if (generation === 'v1') alice = signedIn;
      else await signedIn.client.close();
    });
  }
  await check('both sign-ins of a person see the same jobs', async () => assert.equal(await jobs(alice.client), 2));
  await check('another person with the same key sees none of them', async () => {
    const bob = await connect('v1', 'bob');
    assert.equal(await jobs(bob.client), 0);
    await bob.client.close();
  });
  await check('a token that has expired is refreshed by the client itself', async () => {
    const { authProvider } = alice;
    const before = authProvider.saved;
    authProvider.saved = { ...before, access_token: await issuer.mint({ exp: Math.floor(Date.now() / 1000) - 120 }) };
    assert.equal(await jobs(alice.client), 2);
    assert.notEqual(authProvider.saved.access_token, before.access_token);
    assert.notEqual(authProvider.saved.refresh_token, before.refresh_token, 'the refresh token was used');
  });
  if (python) {
    await check('Python SDK: discovery, registration, PKCE, consent, the same jobs', async () => {
      const ran = await promisify(execFile)(python, [join(here, 'python_client.py'), url, 'alice'], { timeout: 60_000 });
      assert.equal(JSON.parse(ran.stdout).total, 2, ran.stdout);
    });
  }
  await check('tokens that are not good are refused with the reason', async () => {
    const past = Math.floor(Date.now() / 1000) - 120;
    const { none, HS256 } = await issuer.downgraded();
    const good = await issuer.mint();
    for (const [what, token, said] of [
      ['for another resource', await issuer.mint({ aud: url.replace('/mcp-oauth', '/mcp') }), 'another resource'],
      ['expired', await issuer.mint({ exp: past }), 'expired'],
      ['of another issuer', await issuer.mint({ iss: 'https://evil.test' }), 'another issuer'],
      ['without a signature', none, 'algorithm'],
      ['signed with the public key as a secret', HS256, 'algorithm'],
      ['changed', good.replace(/\.[^.]+\./, `.${Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(good.split('.')[1], 'base64url')), sub: 'bob' })).toString('base64url')}.`), 'signature'],
    ]) {
      const { status, challenge } = await ask(token);
      assert.equal(status, 401, `${what}: ${challenge}`);
      assert.match(challenge, /error="invalid_token"/, what);
      assert.ok(challenge.includes(said), `${what}: ${challenge}`);
      assert.match(challenge, /resource_metadata="http:[^"]+\/\.well-known\/oauth-protected-resource\/mcp-oauth"/, what);
    }
  });
  await check('a session is its person\'s: another one\'s token finds none', async () => {
    const own = await session(await issuer.mint({ pdfco_key: 'sim_company' }));
    assert.equal((await ask(await issuer.mint(), { headers: own })).status, 200);
    assert.equal((await ask(await issuer.mint({ sub: 'bob' }), { headers: own })).status, 404);
  });
  await check('a token that may only read is asked for the other scope', async () => {
    const reader = await issuer.mint({ scope: 'pdfco:read', pdfco_key: 'sim_company' });
    const headers = await session(reader);
    const refused = await ask(reader, { headers, ...call('submit_job', submit.arguments) });
    assert.equal(refused.status, 403, refused.text);
    assert.match(refused.challenge, /error="insufficient_scope".*/);
    assert.match(refused.challenge, /scope="pdfco:read pdfco:run"/);
    assert.equal((await ask(reader, { headers, ...call('list_jobs') })).status, 200);
    assert.equal((await ask(await issuer.mint({ scope: 'openid' }))).status, 403);
  });
  await check('a person without a key, or with one that was revoked, reads so', async () => {
    for (const [claims, said] of [[{}, /no PDF\.co key/], [{ pdfco_key: 'revoked' }, /key/]]) {
      const token = await issuer.mint({ sub: 'carol', ...claims });
      const headers = await session(token);
      const answer = await ask(token, { headers, ...call('get_credit_balance') });
      assert.equal(answer.status, 200);
      assert.match(answer.text, /"kind":"auth"/, answer.text);
      assert.match(answer.text, said);
    }
  });
  await check('keys are rotated: a new one is found, and a flood of made-up ones causes no flood', async () => {
    await issuer.rotate('second');
    const fetched = issuer.keyFetches;
    let status;
    for (let tries = 0; tries < 15 && status !== 200; tries += 1) {
      ({ status } = await ask(await issuer.mint(), initialize));
      if (status !== 200) await pause(1_000);
    }
    assert.equal(status, 200);
    const flood = await Promise.all(
      Array.from({ length: 60 }, async (_, number) => ask(await issuer.mint({}, { kid: `made-up-${number}` }))),
    );
    assert.ok(flood.every(({ status }) => status === 401 || status === 429));
    assert.ok(issuer.keyFetches - fetched <= 3, `${issuer.keyFetches - fetched} fetches`);
  });
  await check('no token is in the log', async () => {
    assert.ok(!/eyJ[\w-]{10,}/.test(errors), errors);
  });
  await alice.client.close();
  console.log(`1..${passed}`);
} finally {
  server.kill('SIGTERM');
  await once(server, 'exit');
  issuer.stop();
}
process.exit(0);
