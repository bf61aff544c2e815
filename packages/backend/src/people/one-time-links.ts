import { hash, randomBytes } from 'node:crypto';
import { limitReached } from '@worker-runtime/core/plugin-kit';
import type { Person } from './person.ts';

const VALID_MS = 600_000;
const MAX_LINKS = 1_000;

const digestOf = (code: string): string => hash('sha256', code);

/** Codes with which a person logs in once. They are in memory only, with times of the steady clock: a clock that is set back prolongs none. */
export class OneTimeLinks {
  readonly #open = new Map<string, { readonly person: Person; readonly until: number }>();

  /** Creates a code, which is valid once and for ten minutes. @throws LIMIT_REACHED */
  create(person: Person): { readonly code: string; readonly expiresAt: number } {
    const now = performance.now();
    for (const [digest, link] of this.#open) if (link.until <= now) this.#open.delete(digest);
    if (this.#open.size >= MAX_LINKS) throw limitReached('links', MAX_LINKS);
    const code = randomBytes(32).toString('base64url');
    this.#open.set(digestOf(code), { person, until: now + VALID_MS });
    return { code, expiresAt: Date.now() + VALID_MS };
  }

  /** Uses a code up, and returns its person; null if the code is not valid, or no longer. */
  redeem(code: string): Person | null {
    const digest = digestOf(code);
    const link = this.#open.get(digest);
    this.#open.delete(digest);
    return link !== undefined && link.until > performance.now() ? link.person : null;
  }
}
