import { hash } from 'node:crypto';
import { lstat, mkdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EngineContext, RuntimeError } from '@worker-runtime/core';

const isOwnedByUs = ({ uid }: { readonly uid: number }): boolean =>
  process.getuid === undefined || uid === process.getuid();

const pathOf = async ({ runtimeId, workerId }: EngineContext): Promise<string> => {
  const name = hash('sha256', `${runtimeId}/${workerId}`, 'hex').slice(0, 16);
  return join(await realpath(tmpdir()), `worker-${name}`);
};

/**
 * The working directories of agents whose Workers claim no directory: one for each Worker, removed when the agent has
 * exited. The path stays the same, because many agents look for a session only in the directory where it began
 * (https://github.com/anthropics/claude-code/issues/5768).
 */
export class OwnDirectories {
  /** The number of agents in each directory. An agent that exits late may share its directory with the next one. */
  readonly #users = new Map<string, number>();
  readonly #removals = new Map<string, Promise<void>>();

  /**
   * Creates the directory of a Worker. Returns its path, which has to be released.
   * @throws ENGINE_UNAVAILABLE the path is already in use by something else
   */
  async acquire(context: EngineContext): Promise<string> {
    const path = await pathOf(context);
    while (this.#removals.has(path)) await this.#removals.get(path);
    this.#users.set(path, (this.#users.get(path) ?? 0) + 1);
    try {
      await mkdir(path, { mode: 0o700 });
    } catch (error) {
      // A process that was killed may have left the directory. Anything else at this path is not used: not a link, and
      // not a directory of another user.
      const found = await lstat(path).catch(() => null);
      if (!found?.isDirectory() || !isOwnedByUs(found)) {
        this.#removeUser(path);
        throw new RuntimeError(
          'ENGINE_UNAVAILABLE',
          'The working directory of the Worker cannot be created',
          {
            cause: error,
          },
        );
      }
    }
    return path;
  }

  /**
   * Removes the directory when its last agent has exited. Never rejects: an agent may leave files that cannot be
   * removed, and that must not affect other Workers.
   */
  async release(path: string, { workerId, log }: EngineContext): Promise<void> {
    if (this.#removeUser(path) > 0) return;
    const removal = rm(path, { recursive: true, force: true, maxRetries: 3 }).catch((err: unknown) =>
      log.warn({ worker: workerId, err }, 'The working directory of an agent could not be removed'),
    );
    this.#removals.set(path, removal);
    await removal;
    this.#removals.delete(path);
  }

  /** Returns the number of agents that are left in the directory. */
  #removeUser(path: string): number {
    const left = (this.#users.get(path) ?? 1) - 1;
    if (left > 0) this.#users.set(path, left);
    else this.#users.delete(path);
    return left;
  }
}
