import { hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** More characters than any secret of a backend has. */
const MAX_KEPT_CHARS = 64;

interface SentSecret {
  readonly secret: string;
  readonly digest: string;
}

export const digestOf = (secret: string): string => hash('sha256', secret);

/**
 * The last secret of each connection with its digest. A client sends the same secret with each request, and a search by the digest is
 * cheap. Only the digest is used again: each request looks for the credential, and checks that it is valid.
 */
export class SentSecrets {
  readonly #last = new WeakMap<Socket, SentSecret>();

  /** Returns the digest of the secret of a request. */
  digestOf(secret: string, { socket }: IncomingMessage): string {
    const last = this.#last.get(socket);
    if (last !== undefined && isSame(last.secret, secret)) return last.digest;
    const digest = digestOf(secret);
    if (secret.length <= MAX_KEPT_CHARS) this.#last.set(socket, { secret, digest });
    return digest;
  }
}

/** Takes the same time for all secrets of a length: behind a proxy, a connection has requests of several people. */
const isSame = (one: string, other: string): boolean => {
  if (one.length !== other.length) return false;
  let difference = 0;
  for (let at = 0; at < one.length; at++) difference |= one.charCodeAt(at) ^ other.charCodeAt(at);
  return difference === 0;
};
