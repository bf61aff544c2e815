import { hash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import { RuntimeError } from '@worker-runtime/core';
import { type Caller, callerOf, UNRESTRICTED } from './caller.ts';
import type { Issuers } from './issuers.ts';
import type { Token } from './token.ts';
import { Withdrawal } from './withdrawal.ts';

/** Identifies the senders of requests. */
export interface Access {
  /** True if every caller is an admin. Then only loopback may be served. */
  readonly isOpen: boolean;
  /** Returns the sender of a request. @throws UNAUTHENTICATED */
  identify(request: IncomingMessage): Caller | Promise<Caller>;
  /** Returns the sender of a request for an upgrade. @throws UNAUTHENTICATED */
  identifyUpgrade(request: IncomingMessage): Caller | Promise<Caller>;
}

const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i;
const SUBPROTOCOL = /^bearer\.([A-Za-z0-9_-]+)$/;

/** Returns the bearer token of the `Authorization` header; null if there is none or it is malformed. */
const headerToken = ({ authorization }: IncomingHttpHeaders): string | null =>
  BEARER.exec(authorization ?? '')?.[1] ?? null;

/** Returns the token of a subprotocol `bearer.<base64url>`: a browser cannot set headers on a WebSocket. */
const subprotocolToken = (headers: IncomingHttpHeaders): string | null => {
  for (const protocol of (headers['sec-websocket-protocol'] ?? '').split(',')) {
    const encoded = SUBPROTOCOL.exec(protocol.trim())?.[1];
    if (encoded !== undefined) return Buffer.from(encoded, 'base64url').toString();
  }
  return null;
};

/** Returns the access token of a request; null if it has none. That of an upgrade may also be a subprotocol. */
export const bearerTokenOf = ({ headers }: IncomingMessage, isUpgrade: boolean): string | null =>
  headerToken(headers) ?? (isUpgrade ? subprotocolToken(headers) : null);

interface KnownToken {
  readonly token: Token;
  readonly caller: Caller;
  readonly digest: Buffer;
  readonly withdrawal: Withdrawal;
}

const knownTokenOf = (token: Token): KnownToken => {
  const { name, permission, sha256, workers = '*', stamp = {}, expiresAt } = token;
  const withdrawal = new Withdrawal();
  return {
    token,
    caller: {
      ...callerOf(name, { permissions: [permission].flat(), workers, stamp }),
      expiresAt: expiresAt === undefined ? null : Date.parse(expiresAt),
      withdrawn: withdrawal.signal,
    },
    digest: Buffer.from(sha256, 'hex'),
    withdrawal,
  };
};

/** Returns the id of the runtime that a request is about. @throws the error of a request that is about none, or about one that is not known */
export type AudienceOf = (request: IncomingMessage) => string;

const noAudience: AudienceOf = () => {
  throw new RuntimeError('UNAUTHENTICATED', 'Signed tokens are not accepted here');
};

/** Identifies callers by their tokens: those of the configuration, and signed ones of issuers. Without either every caller is an admin. */
export class TokenAccess implements Access {
  #tokens: readonly KnownToken[];
  #issuers: Issuers | null = null;
  readonly #audienceOf: AudienceOf;

  /** Signed tokens are for one runtime: the one that the request is about. */
  constructor(tokens: readonly Token[] = [], audienceOf: AudienceOf = noAudience) {
    this.#audienceOf = audienceOf;
    this.#tokens = tokens.map(knownTokenOf);
  }

  get isOpen(): boolean {
    return this.#tokens.length === 0 && this.#issuers === null;
  }

  /**
   * Replaces the tokens. What a removed or changed token has opened ends. Returns the names of the tokens that are new or
   * changed, and of those that are removed or changed.
   */
  replaceTokens(tokens: readonly Token[]): { readonly added: string[]; readonly removed: string[] } {
    const left = new Set(this.#tokens);
    const added: string[] = [];
    this.#tokens = tokens.map((token) => {
      const same = [...left].find((known) => isDeepStrictEqual(known.token, token));
      if (same === undefined) added.push(token.name);
      else left.delete(same);
      return same ?? knownTokenOf(token);
    });
    for (const { withdrawal } of left) withdrawal.withdraw();
    return { added, removed: [...left].map(({ token }) => token.name) };
  }

  /** Replaces the issuers. What callers of an issuer have opened ends if a key or a permission of the issuer is gone. */
  replaceIssuers(issuers: Issuers | null): void {
    if (issuers !== null) this.#issuers?.replaceBy(issuers);
    this.#issuers = issuers;
  }

  /** @throws UNAUTHENTICATED no token, an unknown one, or one that has ended */
  identify(request: IncomingMessage): Caller | Promise<Caller> {
    return this.#identify(bearerTokenOf(request, false), request);
  }

  /** The token may also be a subprotocol. @throws as `identify` */
  identifyUpgrade(request: IncomingMessage): Caller | Promise<Caller> {
    return this.#identify(bearerTokenOf(request, true), request);
  }

  #identify(token: string | null, request: IncomingMessage): Caller | Promise<Caller> {
    if (this.isOpen) return UNRESTRICTED;
    if (token === null) throw new RuntimeError('UNAUTHENTICATED', 'Send an access token as a bearer token');
    const caller = this.#callerOf(token);
    if (caller === null) {
      if (this.#issuers !== null && isSigned(token))
        return this.#issuers.callerOf(token, this.#audienceOf(request));
      throw new RuntimeError('UNAUTHENTICATED', 'The access token is unknown');
    }
    if (caller.expiresAt !== null && caller.expiresAt <= Date.now())
      throw new RuntimeError('UNAUTHENTICATED', 'The access token has expired');
    return caller;
  }

  /** Compares the token with all known ones, even after a match, so that the duration reveals nothing. */
  #callerOf(token: string): Caller | null {
    const digest = hash('sha256', token, 'buffer');
    let found: Caller | null = null;
    for (const known of this.#tokens) if (timingSafeEqual(digest, known.digest)) found = known.caller;
    return found;
  }
}

/** True for a token in the form of a JWT. */
const isSigned = (token: string): boolean => token.split('.', 4).length === 3;

/** Returns the `WWW-Authenticate` header of an error; null if no other token would help. */
export const challengeOf = ({ code, details }: RuntimeError): string | null => {
  const bearer = 'Bearer realm="worker-runtime"';
  if (code === 'UNAUTHENTICATED') return bearer;
  return code === 'FORBIDDEN' && typeof details.needed === 'string'
    ? `${bearer}, error="insufficient_scope", scope="${details.needed}"`
    : null;
};
