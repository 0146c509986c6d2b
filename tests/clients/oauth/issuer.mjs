// The company's authorization server for this check: npm's oidc-provider, with people who say yes to everything.

import { createServer } from 'node:http';
import { once } from 'node:events';
import { SignJWT, UnsecuredJWT, exportJWK, exportSPKI, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';

const SCOPES = 'pdfco:read pdfco:run';

/** An issuer on a free port of this machine. `resource` is set before the first sign-in. */
export async function startIssuer() {
  const server = createServer((request, response) => handler(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `http://127.0.0.1:${server.address().port}`;
  const issuer = { address, resource: undefined, keyFetches: 0, claims: {}, stop: () => server.close() };
  let handler;

  /** Signs with a new key from now on; the others are withdrawn. */
  issuer.rotate = async (name) => {
    const pair = await generateKeyPair('RS256', { extractable: true });
    issuer.key = { name, ...pair };
    const jwk = { ...(await exportJWK(pair.privateKey)), kid: name, alg: 'RS256', use: 'sig' };
    const provider = new Provider(address, configuration(issuer, jwk));
    provider.proxy = true;
    const callback = provider.callback();
    handler = (request, response) => {
      if (request.url === '/jwks') issuer.keyFetches += 1;
      if (request.url.startsWith('/interaction/')) return consent(provider, request, response);
      return callback(request, response);
    };
  };
  await issuer.rotate('first');

  /** A token that the issuer itself would make, with other claims or another head on top. */
  issuer.mint = async (claims = {}, head = {}) => {
    const now = Math.floor(Date.now() / 1000);
    const all = { iss: address, sub: 'alice', aud: issuer.resource, iat: now, exp: now + 300, scope: SCOPES, ...claims };
    const token = new SignJWT(all).setProtectedHeader({ alg: 'RS256', kid: issuer.key.name, typ: 'at+jwt', ...head });
    return token.sign(issuer.key.privateKey);
  };
  /** The same without a signature, and with the public key as the shared secret of an HMAC. */
  issuer.downgraded = async () => {
    const now = Math.floor(Date.now() / 1000);
    const all = { iss: address, sub: 'alice', aud: issuer.resource, iat: now, exp: now + 300, scope: SCOPES };
    const secret = new TextEncoder().encode(await exportSPKI(issuer.key.publicKey));
    const shared = new SignJWT(all).setProtectedHeader({ alg: 'HS256', kid: issuer.key.name, typ: 'at+jwt' });
    return { none: new UnsecuredJWT(all).encode(), HS256: await shared.sign(secret) };
  };
  return issuer;
}

function configuration(issuer, jwk) {
  return {
    jwks: { keys: [jwk] },
    scopes: ['openid', 'offline_access', ...SCOPES.split(' ')],
    clientDefaults: { grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'none' },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    extraTokenClaims: (_, token) => issuer.claims[token.accountId] ?? {},
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    pkce: { required: () => true },
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    ttl: { AccessToken: 300, Grant: 3600, Interaction: 300, Session: 3600, RefreshToken: 3600 },
    cookies: { keys: ['of this check alone'] },
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => issuer.resource,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) => ({
          scope: SCOPES,
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 300,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  };
}

/** Says yes for the person whom the browser names by `login_hint`. */
export async function consent(provider, request, response) {
  const details = await provider.interactionDetails(request, response);
  const accountId = details.session?.accountId ?? details.params.login_hint ?? 'alice';
  const grant = new provider.Grant({ accountId, clientId: details.params.client_id });
  const asked = details.params.scope ?? SCOPES;
  grant.addOIDCScope(asked);
  for (const resource of [details.params.resource].flat().filter(Boolean)) grant.addResourceScope(resource, asked);
  const grantId = await grant.save();
  const result = { login: { accountId }, consent: { grantId } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

/** A browser without a window: follows `address` as `person` until it is sent to `callback`, and returns that address. */
export async function signIn(address, person, callback, isThere = () => true) {
  const cookies = new Map();
  let next = new URL(address);
  next.searchParams.set('login_hint', person);
  for (let hops = 0; hops < 12; hops += 1) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(next, { redirect: 'manual', headers: cookie ? { cookie } : {} });
    for (const line of answer.headers.getSetCookie()) {
      const [name, ...value] = line.split(';')[0].split('=');
      cookies.set(name, value.join('='));
    }
    const location = answer.headers.get('location');
    if (!location) throw new Error(`no redirect at ${next}: ${answer.status} ${await answer.text()}`);
    next = new URL(location, next);
    if (next.href.startsWith(callback) && isThere(next)) return next;
  }
  throw new Error('the sign-in goes round in circles');
}
