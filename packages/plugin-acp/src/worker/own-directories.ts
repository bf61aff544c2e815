import { createHash } from 'node:crypto';
import { lstat, mkdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EngineContext, RuntimeError } from '@worker-runtime/core';

const isOwn = ({ uid }: { readonly uid: number }): boolean =>
  process.getuid === undefined || uid === process.getuid();

const pathOf = async ({ runtimeId, workerId }: EngineContext): Promise<string> => {
  const name = createHash('sha256').update(`${runtimeId}/${workerId}`).digest('hex').slice(0, 16);
  return join(await realpath(tmpdir()), `worker-${name}`);
};

/**
 * Where agents work whose Workers claim nothing: a directory for each Worker, gone with the agent. It is always at the
 * same path, since many agents look for a session only where it began (https://github.com/anthropics/claude-code/issues/5768).
 */
export class OwnDirectories {
  /** How many agents are in a directory: one that is ended late may meet the next. */
  readonly #agents = new Map<string, number>();
  readonly #removals = new Map<string, Promise<void>>();

  /** @throws ENGINE_UNAVAILABLE somebody else has it */
  async enter(context: EngineContext): Promise<string> {
    const path = await pathOf(context);
    while (this.#removals.has(path)) await this.#removals.get(path);
    this.#agents.set(path, (this.#agents.get(path) ?? 0) + 1);
    try {
      await mkdir(path, { mode: 0o700 });
    } catch (error) {
      // left by a process that was killed; what others put there, a link too, is not entered
      const found = await lstat(path).catch(() => null);
      if (!found?.isDirectory() || !isOwn(found)) {
        this.#forget(path);
        throw new RuntimeError('ENGINE_UNAVAILABLE', 'The Worker can have no directory of its own', {
          cause: error,
        });
      }
    }
    return path;
  }

  /** Never rejects: what an agent left there may be such that it stays, and that ends nothing else. */
  async leave(path: string, { workerId, log }: EngineContext): Promise<void> {
    if (this.#forget(path) > 0) return;
    const removal = rm(path, { recursive: true, force: true, maxRetries: 3 }).catch((err: unknown) =>
      log.warn({ worker: workerId, err }, 'The directory of an agent could not be removed'),
    );
    this.#removals.set(path, removal);
    await removal;
    this.#removals.delete(path);
  }

  /** How many are left. */
  #forget(path: string): number {
    const left = (this.#agents.get(path) ?? 1) - 1;
    if (left > 0) this.#agents.set(path, left);
    else this.#agents.delete(path);
    return left;
  }
}
