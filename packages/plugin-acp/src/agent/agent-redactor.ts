import { realpath } from 'node:fs/promises';
import type { Claim } from '@worker-runtime/core';
import { claimedPath, Redactor } from '@worker-runtime/core/plugin-kit';

/**
 * Redacts what an agent knows and its clients must not see: the values of its environment variables, and the paths of
 * its claims and its directory, which are shown by name.
 */
export class AgentRedactor extends Redactor {
  readonly #pathByLabel = new Map<string, string>();

  /** `secrets` are the values of the environment variables that the operator named. */
  static async create(
    secrets: readonly string[],
    claims: readonly Claim[],
    cwd: string,
  ): Promise<AgentRedactor> {
    const redactor = new AgentRedactor();
    for (const secret of secrets) redactor.add(secret, '[secret]');
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
