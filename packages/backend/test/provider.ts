/** An identity provider in the process of the test, with keys of its own. */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import { exportJWK, generateKeyPair, type JWK, SignJWT, UnsecuredJWT } from 'jose';

/** The bytes of a flood: so many that a test without a limit would fail, and end. */
const FLOOD_BYTES = 268_435_456;

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
  clientSecret = 'canary-of-the-client';
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
  /** Signs in a way that anyone can: not at all, or with the public key as a secret. */
  signedBy: 'none' | 'HS256' | null = null;
  /** The path whose answer does not end. Packed, a few bytes of it become many. */
  flood: { readonly path: string; readonly isPacked: boolean } | null = null;
  /** The unpacked bytes of the last flood that the backend has taken. */
  flooded = 0;
  /** Resolves when the backend takes no more of the last flood. */
  floodEnded: Promise<unknown> = Promise.resolve();
  /** The number of requests for each path. */
  readonly requests = new Map<string, number>();
  readonly #grants = new Map<string, Grant>();
  #server: Server | null = null;
  #isDown = false;
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
    this.#key = await newKey();
    const server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
    this.#server = server;
    server.on('connection', (socket) => this.#isDown && socket.destroy());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const server = this.#server;
    server?.closeAllConnections();
    await new Promise<unknown>((resolve) => (server ? server.close(resolve) : resolve(null)));
  }

  /** Takes no connection from now on. It keeps its port, which another test could take. */
  fail(): void {
    this.#isDown = true;
    this.#server?.closeAllConnections();
  }

  recover(): void {
    this.#isDown = false;
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
    this.requests.set(pathname, (this.requests.get(pathname) ?? 0) + 1);
    if (pathname === this.flood?.path) this.#pour(response, this.flood.isPacked);
    else if (pathname === this.silentAt?.path) {
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

  #signed(claims: Claims, kid: string, privateKey: Key['privateKey']): Promise<string> | string {
    const token = new SignJWT(claims);
    if (this.signedBy === 'none') return new UnsecuredJWT(claims).encode();
    if (this.signedBy === null) return token.setProtectedHeader({ alg: 'ES256', kid }).sign(privateKey);
    const secret = new TextEncoder().encode(JSON.stringify(this.#key?.publicJwk));
    return token.setProtectedHeader({ alg: 'HS256', kid }).sign(secret);
  }

  /** Answers with JSON that does not end. */
  #pour(response: ServerResponse, isPacked: boolean): void {
    const piece = Buffer.alloc(1_048_576, ' ');
    this.flooded = 0;
    const pour = Readable.from(
      (function* (provider: Provider) {
        for (; provider.flooded < FLOOD_BYTES; provider.flooded += piece.length) yield piece;
      })(this),
      { highWaterMark: 1 },
    );
    response.writeHead(200, {
      'content-type': 'application/json',
      ...(isPacked && { 'content-encoding': 'gzip' }),
    });
    this.floodEnded = (isPacked ? pipeline(pour, createGzip(), response) : pipeline(pour, response)).catch(
      () => {},
    );
  }

  #description(): object {
    const { issuer } = this;
    return {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/keys`,
      userinfo_endpoint: `${issuer}/person`,
      // some providers offer all that they know
      id_token_signing_alg_values_supported: ['ES256', 'HS256', 'none'],
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
    const claims = {
      iss: this.issuer,
      aud: this.clientId,
      iat: now,
      exp: now + 300,
      nonce: grant.nonce,
      ...this.claims,
      ...this.wrong,
    };
    const idToken = await this.#signed(claims, kid, privateKey);
    return [{ access_token: randomUUID(), token_type: 'Bearer', expires_in: 300, id_token: idToken }, 200];
  }
}
