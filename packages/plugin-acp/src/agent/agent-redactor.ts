import { realpath } from 'node:fs/promises';
import type { Claim } from '@worker-runtime/core';
import { Redactor } from '@worker-runtime/core/plugin-kit';
import type { AgentOptions } from '../options.ts';
import { claimedPath } from '../worker/claimed-files.ts';

/** True if a value is long enough, and not a plain word: replacing short values or words would garble ordinary text. */
const isSecret = (value: string): boolean => value.length >= 8 && !/^[A-Za-z]{8,15}$/.test(value);

/**
 * Redacts what an agent knows and its clients must not see: the values of its environment variables, and the paths of
 * its claims and its directory, which are shown by name.
 */
export class AgentRedactor extends Redactor {
  readonly #pathByLabel = new Map<string, string>();

  static async create(
    { env = [] }: AgentOptions,
    claims: readonly Claim[],
    cwd: string,
  ): Promise<AgentRedactor> {
    const redactor = new AgentRedactor();
    for (const name of env) {
      const value = process.env[name] ?? '';
      if (isSecret(value)) redactor.add(value, '[secret]');
    }
    for (const claim of claims) await redactor.#addPath(claimedPath(claim), `[${claim.name}]`);
    if (redactor.text(cwd) === cwd) await redactor.#addPath(cwd, '[directory]');
    return redactor;
  }

  /** The meaning of each path label, one a line. Only the agent itself may read it. */
  get legend(): string {
    return [...this.#pathByLabel].map(([label, path]) => `${label} is ${path}`).join('\n');
  }

  async #addPath(path: string | null, label: string): Promise<void> {
    if (path === null || path === '/') return;
    this.#pathByLabel.set(label, path);
    this.add(path, label);
    this.add(await realpath(path).catch(() => path), label);
  }
}
