import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { RuntimeError } from '@worker-runtime/core';
import { covers, type Permission } from './permission.ts';
import type { Token } from './token.ts';

/** Who asks. */
export interface Caller {
  /** The name of the token; null where none is needed. */
  readonly name: string | null;
  readonly permission: Permission;
}

/** Where nobody needs a token. */
const ANYBODY: Caller = { name: null, permission: 'admin' };

const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i;
const SUBPROTOCOL = /^bearer\.([A-Za-z0-9_-]+)$/;

/** The token that a request brings in its header; null where it brings none that could be one. */
const headerToken = ({ authorization }: IncomingHttpHeaders): string | null =>
  BEARER.exec(authorization ?? '')?.[1] ?? null;

/** A browser cannot set headers on a WebSocket: there the token may come as a subprotocol, `bearer.<base64url>`. */
const subprotocolToken = (headers: IncomingHttpHeaders): string | null => {
  for (const protocol of (headers['sec-websocket-protocol'] ?? '').split(',')) {
    const encoded = SUBPROTOCOL.exec(protocol.trim())?.[1];
    if (encoded !== undefined) return Buffer.from(encoded, 'base64url').toString();
  }
  return null;
};

/** Knows who may do what. Without tokens everybody may do everything, so a listener beyond loopback needs some. */
export class Access {
  readonly #tokens: readonly { readonly caller: Caller; readonly digest: Buffer }[];

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens.map(({ name, permission, sha256 }) => ({
      caller: { name, permission },
      digest: Buffer.from(sha256, 'hex'),
    }));
  }

  get isOpen(): boolean {
    return this.#tokens.length === 0;
  }

  /** Who sent a request. @throws UNAUTHENTICATED no token, or an unknown one */
  identify(headers: IncomingHttpHeaders): Caller {
    return this.#identify(headerToken(headers));
  }

  /** As `identify`, of a request that wants to leave HTTP. */
  identifyUpgrade(headers: IncomingHttpHeaders): Caller {
    return this.#identify(headerToken(headers) ?? subprotocolToken(headers));
  }

  #identify(token: string | null): Caller {
    if (this.isOpen) return ANYBODY;
    if (token === null) throw new RuntimeError('UNAUTHENTICATED', 'Send an access token as a bearer token');
    const caller = this.#callerOf(token);
    if (caller === null) throw new RuntimeError('UNAUTHENTICATED', 'The access token is not known');
    return caller;
  }

  /** Compares with all of them, wherever one fits: how long it takes tells nothing of any. */
  #callerOf(token: string): Caller | null {
    const digest = createHash('sha256').update(token).digest();
    let found: Caller | null = null;
    for (const known of this.#tokens) if (timingSafeEqual(digest, known.digest)) found = known.caller;
    return found;
  }
}

/** @throws FORBIDDEN the caller's token does not go so far */
export const assertMay = ({ permission }: Caller, needed: Permission): void => {
  if (covers(permission, needed)) return;
  throw new RuntimeError('FORBIDDEN', `This needs the permission "${needed}"`, {
    details: { needed, permission },
  });
};

/** The `WWW-Authenticate` header of a refusal; null where a token, or a better one, would not help. */
export const challengeOf = ({ code, details }: RuntimeError): string | null => {
  const bearer = 'Bearer realm="worker-runtime"';
  if (code === 'UNAUTHENTICATED') return bearer;
  return code === 'FORBIDDEN' && typeof details.needed === 'string'
    ? `${bearer}, error="insufficient_scope", scope="${details.needed}"`
    : null;
};
