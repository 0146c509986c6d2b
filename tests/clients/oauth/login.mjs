// `pdfco login` against an authorization server of npm: node login.mjs path/to/pdfco
//
// The server's addresses are those of the service; it names itself in its answers and tells the account's key to whom has
// a token.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Provider } from 'oidc-provider';

import { consent, signIn } from './issuer.mjs';

const binary = resolve(process.argv[2]);
const KEY = 'key-of-the-one-who-signed-in';

const server = createServer((request, response) => handler(request, response));
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const address = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(address, {
  clients: [{
    client_id: 'pdfco-cli',
    application_type: 'native',
    redirect_uris: ['http://127.0.0.1/callback'],
    grant_types: ['authorization_code'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  }],
  routes: { authorization: '/oauth/authorize', token: '/oauth/token', userinfo: '/oauth/userinfo' },
  scopes: ['openid', 'email', 'profile', 'api'],
  claims: { openid: ['sub'], api: ['api_key'], email: ['email'], profile: ['name'] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, api_key: KEY }) }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  pkce: { required: () => true },
  cookies: { keys: ['of this check alone'] },
  features: { devInteractions: { enabled: false } },
});
const callback = provider.callback();
const handler = (request, response) =>
  request.url.startsWith('/interaction/') ? consent(provider, request, response) : callback(request, response);

/** Runs the command; `browser` gets the address that it prints. */
async function login(browser, timeout = '60') {
  const home = mkdtempSync(join(tmpdir(), 'pdfco-login-'));
  const env = { PATH: process.env.PATH, HOME: home, PDFCO_LOGIN_URL: address, PDFCO_OAUTH_CLIENT_ID: 'pdfco-cli' };
  const run = (args) => spawn(binary, args, { cwd: home, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const child = run(['login', '--no-browser', '--file', '--timeout', timeout]);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
  const ended = once(child, 'exit');
  while (!/https?:\S+authorize\S+/.test(said)) {
    if (child.exitCode !== null) throw new Error(`no address: ${said}`);
    await new Promise((done) => setTimeout(done, 20));
  }
  await browser(said.match(/https?:\S+authorize\S+/)[0]);
  const [code] = await ended;
  const shown = run(['key', 'show', '--json']);
  let key = '';
  shown.stdout.on('data', (chunk) => (key += chunk));
  await once(shown, 'exit');
  assert.ok(!said.includes(KEY) && !key.includes(KEY), 'the key is never printed');
  return { code, said, key };
}

/** Where the server sends the browser after the person's yes. */
const landing = (printed) => signIn(printed, 'alice', 'http://127.0.0.1:', (url) => url.pathname === '/callback');

try {
  const signedIn = await login(async (printed) => {
    const landed = await landing(printed);
    assert.equal(landed.searchParams.get('iss'), address, 'the server names itself');
    assert.equal((await fetch(landed)).status, 200);
  });
  assert.equal(signedIn.code, 0, signedIn.said);
  assert.match(signedIn.key, /"stored":"file"/, signedIn.key);
  console.log('ok - pdfco login signs in at oidc-provider and keeps the key that its account has');

  const foreign = await login(async (printed) => {
    const landed = await landing(printed);
    landed.searchParams.set('iss', 'https://evil.test');
    assert.equal((await fetch(landed)).status, 400);
  }, '8');
  assert.equal(foreign.code, 3, foreign.said);
  console.log('ok - an answer that names another server is not taken');

  const refused = await login(async (printed) => {
    const denied = new URL(new URL(printed).searchParams.get('redirect_uri'));
    denied.search = new URLSearchParams({ error: 'access_denied', state: new URL(printed).searchParams.get('state'), iss: address });
    assert.equal((await fetch(denied)).status, 403);
  });
  assert.equal(refused.code, 3, refused.said);
  console.log('ok - a refusal is said as one');
} finally {
  server.close();
  server.closeAllConnections();
}
