/** An identity provider in the process of the test, with keys of its own. */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { ExecutionContext } from 'ava';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

type Claims = Readonly<Record<string, unknown>>;

interface Key {
  readonly kid: string;
  readonly privateKey: Parameters<SignJWT['sign']>[0];
  readonly publicJwk: JWK;
}

interface Grant {
  readonly nonce: string;
  readonly challenge: string;
  readonly redirectUri: string;
}

const newKey = async (): Promise<Key> => {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const kid = randomUUID();
  return { kid, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' } };
};

export class Provider {
  readonly clientId = 'worker-runtime';
  readonly clientSecret = 'canary-of-the-client';
  /** The claims of the next person. */
  claims: Claims = { sub: 'u-1', email: 'ada@example.com', email_verified: true, groups: ['team-a'] };
  /** Claims of the next token that a correct provider would not send. */
  wrong: Claims = {};
  /** Claims that the provider sends elsewhere than in the token. */
  userInfo: Claims = {};
  /** Makes the provider refuse the next person. */
  refusal: string | null = null;
  /** The path whose requests get no answer, or only the head of one. */
  silentAt: { readonly path: string; readonly hasHead: boolean } | null = null;
  /** Signs with a key that the provider does not publish. */
  isForged = false;
  readonly #grants = new Map<string, Grant>();
  #server: Server | null = null;
  #port = 0;
  #key: Key | null = null;

  static async start(t: ExecutionContext): Promise<Provider> {
    const provider = new Provider();
    await provider.listen();
    t.teardown(() => provider.close());
    return provider;
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async listen(): Promise<void> {
    this.#key ??= await newKey();
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    server?.closeAllConnections();
    await new Promise<unknown>((resolve) => (server ? server.close(resolve) : resolve(null)));
  }

  /** Signs with a new key from now on, and forgets the old one. */
  async rotate(): Promise<void> {
    this.#key = await newKey();
  }

  /** Logs the next person in, as the pages of the provider do. Returns the query of the answer. */
  async visit(address: string): Promise<string> {
    const answer = await fetch(address, { redirect: 'manual' });
    return new URL(answer.headers.get('location') ?? '').search;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', this.issuer);
    const json = (content: unknown, status = 200): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(content));
    };
    if (pathname === this.silentAt?.path) {
      if (this.silentAt.hasHead) response.writeHead(200, { 'content-type': 'application/json' }).write('{');
    } else if (pathname === '/.well-known/openid-configuration') json(this.#description());
    else if (pathname === '/keys') json({ keys: [this.#key?.publicJwk] });
    else if (pathname === '/person') json({ sub: this.claims.sub, ...this.userInfo });
    else if (pathname === '/authorize')
      response.writeHead(302, { location: this.#authorize(searchParams) }).end();
    else if (pathname === '/token') {
      const form = new URLSearchParams(await text(request));
      const [content, status] = await this.#token(form);
      json(content, status);
    } else json({}, 404);
  }

  #description(): object {
    const { issuer } = this;
    return {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/keys`,
      userinfo_endpoint: `${issuer}/person`,
      id_token_signing_alg_values_supported: ['ES256'],
      response_types_supported: ['code'],
      code_challenge_methods_supported: ['S256'],
    };
  }

  #authorize(query: URLSearchParams): string {
    const redirectUri = query.get('redirect_uri') ?? '';
    const answer = new URL(redirectUri);
    answer.searchParams.set('state', query.get('state') ?? '');
    answer.searchParams.set('session_state', 'a parameter of this provider');
    if (this.refusal !== null) answer.searchParams.set('error', this.refusal);
    else {
      const code = randomUUID();
      answer.searchParams.set('code', code);
      this.#grants.set(code, {
        nonce: query.get('nonce') ?? '',
        challenge: query.get('code_challenge') ?? '',
        redirectUri,
      });
    }
    return answer.href;
  }

  async #token(form: URLSearchParams): Promise<[object, number]> {
    if (form.get('client_id') !== this.clientId || form.get('client_secret') !== this.clientSecret)
      return [{ error: 'invalid_client' }, 401];
    const code = form.get('code') ?? '';
    const grant = this.#grants.get(code);
    this.#grants.delete(code);
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    if (grant?.challenge !== challenge || grant.redirectUri !== form.get('redirect_uri'))
      return [{ error: 'invalid_grant' }, 400];
    const { kid, privateKey } = this.isForged
      ? { ...(await newKey()), kid: this.#key?.kid ?? '' }
      : (this.#key as Key);
    const now = Math.floor(Date.now() / 1_000);
    const idToken = await new SignJWT({
      iss: this.issuer,
      aud: this.clientId,
      iat: now,
      exp: now + 300,
      nonce: grant.nonce,
      ...this.claims,
      ...this.wrong,
    })
      .setProtectedHeader({ alg: 'ES256', kid })
      .sign(privateKey);
    return [{ access_token: randomUUID(), token_type: 'Bearer', expires_in: 300, id_token: idToken }, 200];
  }
}
