import { randomUUID } from 'node:crypto';
import { RuntimeError } from '@worker-runtime/core';
import { mintId, type StoreHost } from '@worker-runtime/core/plugin-kit';
import type { Database } from '../database/database.ts';
import { stateOf } from '../database/failure.ts';
import type { SynchronousCommit } from '../schema/check.ts';
import type { Settings } from '../store-settings.ts';
import { ADD_RUNTIME, CLAIM, LOOK, type Ownership } from './ownership.ts';

const DUPLICATE = '23505';
/** The least number of looks within a lease. */
const LOOKS = 8;
/** The longest time between two looks, so that a Runtime that was given back is found soon. */
const LONGEST_PAUSE_MS = 500;

/** The row of a Runtime. */
interface Look {
  readonly id: number;
  readonly runtimeId: string;
  readonly owner: string | null;
  readonly beat: number;
  readonly checkpoint: number;
  readonly position: number;
  /** The number of the current claim of a cluster. */
  readonly claim: number;
}

const pause = (delayMs: number, stopping: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      stopping?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    stopping?.addEventListener('abort', done, { once: true });
  });

/**
 * Counts how long an owner has been silent, by the monotonic clock of this process alone. A moment at which this process
 * could not look does not count.
 */
class Silence {
  readonly #longestGapMs: number;
  #seen = '';
  #sinceMs = 0;
  #lookedMs = 0;

  constructor(longestGapMs: number) {
    this.#longestGapMs = longestGapMs;
  }

  /** Notes a look. Returns the silence in milliseconds, and if the owner has shown itself since the look before. */
  note({ owner, beat }: Look): { readonly ms: number; readonly isAlive: boolean } {
    const now = performance.now();
    const found = `${owner}/${beat}`;
    const isAlive = this.#seen !== '' && this.#seen !== found;
    if (this.#seen !== found || now - this.#lookedMs > this.#longestGapMs) this.#sinceMs = now;
    this.#seen = found;
    this.#lookedMs = now;
    return { ms: now - this.#sinceMs, isAlive };
  }

  /** Begins to count again. */
  reset(): void {
    this.#sinceMs = performance.now();
  }
}

/**
 * Takes the ownership of a Runtime: at once if no process has it, or if it is opened under the current claim of a cluster. Else when its
 * owner closes it or falls silent.
 */
export class Takeover {
  readonly #database: Database;
  readonly #settings: Settings;
  readonly #host: StoreHost;
  readonly #commit: SynchronousCommit;
  readonly #writer = randomUUID();
  #isWaiting = false;

  constructor(database: Database, settings: Settings, host: StoreHost, commit: SynchronousCommit) {
    this.#database = database;
    this.#settings = settings;
    this.#host = host;
    this.#commit = commit;
  }

  /** @throws STORE_LOCKED another process has the Runtime open, and the options say not to wait, or the runtime stops · STORE_UNAVAILABLE */
  async take(): Promise<Ownership> {
    const { leaseMs, whenLocked, runtime, claim } = this.#settings;
    const silence = new Silence(leaseMs / 2);
    await this.#add(runtime);
    for (;;) {
      const found = await this.#look(silence);
      if (found) {
        const { owner, id, runtimeId, checkpoint, position } = found;
        if (this.#host.runtimeId !== undefined && this.#host.runtimeId !== runtimeId)
          throw new RuntimeError('STORE_CONFLICT', `The Runtime "${runtime}" of the database has another id`);
        if (owner === this.#writer) return { id, runtimeId, writer: this.#writer, position, checkpoint };
        if (claim !== null && found.claim !== claim)
          throw new RuntimeError('STORE_LOCKED', 'Another host of the cluster has claimed this Runtime');
        const { ms, isAlive } = silence.note(found);
        if (owner === null || ms >= leaseMs || claim !== null) {
          await this.#claim(found);
          continue;
        }
        if (isAlive && whenLocked === 'refuse')
          throw new RuntimeError('STORE_LOCKED', 'Another process has this Runtime of the database open');
        if (isAlive) this.#reportWaiting();
      }
      await pause(Math.min(leaseMs / LOOKS, LONGEST_PAUSE_MS), this.#host.stopping);
      if (this.#host.stopping?.aborted)
        throw new RuntimeError(
          'STORE_LOCKED',
          'The store was still waiting for another process when it was to stop',
        );
    }
  }

  /** Adds the row of the Runtime, unless it is there. @throws STORE_CONFLICT another Runtime has the id that it should get */
  async #add(runtime: string): Promise<void> {
    try {
      await this.#database.run(ADD_RUNTIME, [runtime, this.#host.runtimeId ?? mintId('runtime')]);
    } catch (error) {
      if (stateOf(error) !== DUPLICATE) throw error;
      throw new RuntimeError(
        'STORE_CONFLICT',
        'Another Runtime of the database has the id of this one: two copies of a Runtime need different ids',
      );
    }
  }

  /** Returns the row of the Runtime. A failure before the wait has begun ends the opening; later ones are survived. */
  async #look(silence: Silence): Promise<Look | null> {
    try {
      const { rows } = await this.#database.run(LOOK, [this.#settings.runtime]);
      const [id, runtimeId, owner, beat, checkpoint, position, claim] = rows[0] as [
        number,
        string,
        string | null,
        number,
        number,
        number | null,
        number,
      ];
      return { id, runtimeId, owner, beat, checkpoint, position: position ?? 0, claim };
    } catch (error) {
      if (!this.#isWaiting) throw error;
      this.#host.log.warn({ err: error }, 'PostgreSQL cannot be read while the store waits for its Runtime');
      silence.reset();
      return null;
    }
  }

  /** Tries to take over. The next look tells if it succeeded. */
  async #claim({ id, owner, beat }: Look): Promise<void> {
    const configuration = JSON.stringify(this.#host.configuration);
    try {
      const { claim } = this.#settings;
      await this.#database.run(CLAIM, [id, owner, beat, this.#writer, configuration, this.#commit, claim]);
    } catch (error) {
      // the owner has appended in between
      if (stateOf(error) === DUPLICATE) return;
      if (!this.#isWaiting) throw error;
      this.#host.log.warn({ err: error }, 'The store could not take over its Runtime, and tries again');
    }
  }

  #reportWaiting(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#host.log.info(
      {},
      'Another process has this Runtime of the database open; this one waits to take over',
    );
  }
}
