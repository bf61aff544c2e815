import type { IncomingMessage } from 'node:http';
import { RuntimeError } from '@worker-runtime/core';
import { isLoopback } from '../loopback.ts';

/** A cookie of the backend. With TLS, its name makes the browser refuse it from other hosts and over plain HTTP. */
export class Cookie {
  readonly #name: string;
  readonly #maxAgeMs: number;
  readonly #attributes: string;
  readonly #isSecure: boolean;

  constructor(name: string, maxAgeMs: number, isSecure: boolean) {
    this.#name = isSecure ? `__Host-${name}` : name;
    this.#maxAgeMs = maxAgeMs;
    this.#isSecure = isSecure;
    this.#attributes = `Path=/; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`;
  }

  /** Returns its value in a request; null if the request has none. */
  of({ headers: { cookie = '' } }: IncomingMessage): string | null {
    for (const pair of cookie.split(';')) {
      const at = pair.indexOf('=');
      if (pair.slice(0, at).trim() === this.#name) return pair.slice(at + 1).trim();
    }
    return null;
  }

  /** Returns the header that stores a value. */
  set(value: string): string {
    return `${this.#name}=${value}; Max-Age=${Math.floor(this.#maxAgeMs / 1_000)}; ${this.#attributes}`;
  }

  /** Returns the header that deletes it. */
  get cleared(): string {
    return `${this.#name}=; Max-Age=0; ${this.#attributes}`;
  }

  /**
   * Refuses a request that a page of another site may have made the browser send with the cookie. The server has refused every
   * foreign Origin before, so one that is here has the name of our own page. With TLS, only a page with TLS is ours: anyone on the way
   * can answer in place of one without.
   * @throws FORBIDDEN
   */
  assertOwnPage({ method = '', headers }: IncomingMessage, isUpgrade: boolean): void {
    const { origin, 'sec-fetch-site': site } = headers;
    const isForeign = site === 'cross-site' || site === 'same-site';
    if (isForeign || (this.#isSecure && origin !== undefined && !isProtected(origin)))
      throw new RuntimeError('FORBIDDEN', 'A page of another origin sent this request');
    const isRead = !isUpgrade && (method === 'GET' || method === 'HEAD');
    if (isRead || origin !== undefined || site === 'same-origin') return;
    throw new RuntimeError(
      'FORBIDDEN',
      'A command with the cookie of a session needs the header Origin; programs use an API token',
    );
  }
}

/** True for an origin with TLS, or of this machine. */
const isProtected = (origin: string): boolean =>
  origin.startsWith('https:') || isLoopback(new URL(origin).hostname);
