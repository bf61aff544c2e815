import { realpath } from 'node:fs/promises';
import type { Claim } from '@worker-runtime/core';
import { claimedPath, Redactor } from '@worker-runtime/core/plugin-kit';

/**
 * Redacts what an agent knows and its clients must not see: the values of its environment variables, and the paths of
 * its claims and its directory, which are shown by name.
 */
export class AgentRedactor extends Redactor {
  readonly #pathByLabel = new Map<string, string>();

  static async create(claims: readonly Claim[]): Promise<AgentRedactor> {
    const redactor = new AgentRedactor();
    for (const claim of claims) await redactor.#addPath(claimedPath(claim), `[${claim.name}]`);
    return redactor;
  }

  /** Adds what an agent knows. `secrets` are the values of the environment variables that the operator named. */
  async addAgent(secrets: readonly string[], cwd: string): Promise<void> {
    for (const secret of secrets) this.add(secret, '[secret]');
    if (this.text(cwd) === cwd) await this.#addPath(cwd, '[directory]');
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
