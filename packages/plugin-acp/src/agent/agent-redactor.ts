import { realpath } from 'node:fs/promises';
import { type Claim, Redactor } from '@worker-runtime/core';
import type { AgentOptions } from '../options.ts';
import { claimedPath } from '../worker/claimed-files.ts';

/** What is short, or a word, is no secret, and taking it out would make nonsense of a text. */
const isSecret = (value: string): boolean => value.length >= 8 && !/^[A-Za-z]{8,15}$/.test(value);

/**
 * What an agent knows and nobody else may: where its claims and its directory are, which are shown by name, and what
 * the variables hold that it was given.
 */
export class PrivateWords extends Redactor {
  readonly #places = new Map<string, string>();

  static async of({ env = [] }: AgentOptions, claims: readonly Claim[], cwd: string): Promise<PrivateWords> {
    const words = new PrivateWords();
    for (const name of env) {
      const value = process.env[name] ?? '';
      if (isSecret(value)) words.add(value, '[secret]');
    }
    for (const claim of claims) await words.#addPlace(claimedPath(claim), `[${claim.name}]`);
    if (words.text(cwd) === cwd) await words.#addPlace(cwd, '[directory]');
    return words;
  }

  /** What the names in brackets mean, for the agent itself; a line each. */
  get legend(): string {
    return [...this.#places].map(([word, path]) => `${word} is ${path}`).join('\n');
  }

  async #addPlace(path: string | null, word: string): Promise<void> {
    if (path === null || path === '/') return;
    this.#places.set(word, path);
    this.add(path, word);
    this.add(await realpath(path).catch(() => path), word);
  }
}
