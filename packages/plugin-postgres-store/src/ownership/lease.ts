import type { Answer } from '../database/connection.ts';
import type { Database } from '../database/database.ts';
import { unavailable } from '../database/failure.ts';
import type { Statement } from '../database/statement.ts';
import type { SynchronousCommit } from '../schema/check.ts';
import { BEAT, type Ownership, RELEASE, VERIFY } from './ownership.ts';

/** The number of beats within a lease. */
const BEATS = 4;

export interface LeaseOptions {
  readonly database: Database;
  readonly ownership: Ownership;
  readonly commit: SynchronousCommit;
  readonly leaseMs: number;
  /** Returns the position of the last group that the database has acknowledged. */
  readonly position: () => number;
  /** Ends the ownership. Returns the error for calls. */
  readonly lose: (message: string) => Error;
}

/**
 * The ownership of a Runtime after it was taken. It counts, so that other processes see it alive, and carries out statements
 * that only the owner may carry out. The lease decides when another process takes over; what keeps the two from writing at the
 * same time is the position of the group.
 */
export class Lease {
  readonly #options: LeaseOptions;
  readonly #timer: NodeJS.Timeout;
  #isBeating = false;
  /** False if the last beat had no answer. */
  #hasAnswer = true;
  #renewedMs = performance.now();

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#beat(), options.leaseMs / BEATS);
    this.#timer.unref();
  }

  /**
   * Carries out a statement that begins with `OWNED` and returns a row only if that has one.
   * @throws STORE_LOST the ownership has ended · STORE_UNAVAILABLE unknown whether it happened
   */
  async run(statement: Statement, values: readonly unknown[]): Promise<Answer> {
    const { database, ownership, commit, position } = this.#options;
    const { id, writer } = ownership;
    const answer = await database.run(statement, [id, writer, position(), commit, ...values]);
    if (answer.hasWarned) throw unavailable('PostgreSQL did not wait for its synchronous standbys');
    if (answer.count > 0) return answer;
    await this.#verify();
    throw unavailable('The position of the store moved on; try again');
  }

  /** The time since the last beat. */
  get ageMs(): number {
    return performance.now() - this.#renewedMs;
  }

  /** Stops counting. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** Gives the Runtime back, so that another process need not wait. */
  async release(): Promise<void> {
    this.stop();
    await this.run(RELEASE, []);
  }

  async #beat(): Promise<void> {
    if (this.#isBeating) return;
    this.#isBeating = true;
    const { database, ownership, position } = this.#options;
    try {
      // If only answers are lost, beats still arrive, and no other process would take over.
      if (!this.#hasAnswer) await this.#verify();
      this.#hasAnswer = false;
      const { count } = await database.run(BEAT, [ownership.id, ownership.writer, position()]);
      this.#hasAnswer = true;
      if (count === 0) await this.#verify();
      this.#renewedMs = performance.now();
    } catch {
      // PostgreSQL is away. No process can take over before it is back, and appends report the failure.
    } finally {
      this.#isBeating = false;
    }
  }

  /** Finds out if the ownership has ended. @throws the error of a lost store, if it has */
  async #verify(): Promise<void> {
    const { database, ownership, position, lose } = this.#options;
    const at = position();
    const { rows } = await database.run(VERIFY, [ownership.id, at]);
    const [owner, writer] = rows[0] ?? [];
    if (owner !== ownership.writer) throw lose('Another process has taken over this Runtime of the database');
    // a group below the last one may have been pruned in the meantime
    if (writer !== ownership.writer && at === position())
      throw lose('The database lacks commits that it had acknowledged');
  }
}
