import { RuntimeError } from '@worker-runtime/core';
import { Connection, type ConnectionSettings } from '../database/connection.ts';
import { constraintOf, failureOf, stateOf, unavailable } from '../database/failure.ts';
import type { LogEntry } from '../log/log-entry.ts';
import type { Counts } from '../metrics/counts.ts';
import type { Ownership } from '../ownership/ownership.ts';
import type { SynchronousCommit } from '../schema/check.ts';
import { GROUP_AT, Group, WALL } from './group.ts';
import { ThreadLoad } from './thread-load.ts';
import type { Write } from './write.ts';

const DUPLICATE = '23505';
const GROUPS_KEY = 'groups_pkey';
/** The most writes of a group; below the places of its creations. */
const GROUP_WRITES = 4_000;
const GROUP_BYTES = 1_048_576;

export interface GroupLogOptions {
  readonly connection: ConnectionSettings;
  readonly ownership: Ownership;
  readonly commit: SynchronousCommit;
  readonly queueBytes: number;
  readonly counts: Counts;
  /** Called after each group that happened. */
  readonly applied: (group: Group) => void;
  /** Ends the ownership. Returns the error for calls. */
  readonly lose: (message: string) => RuntimeError;
}

/**
 * The log of groups. The writes that arrive while a group is on its way make the next ones: one statement, one transaction, one
 * round trip each. One group is on its way at a time. A group without an answer is in doubt, and a wall at its position settles it: either the group was there first, or
 * it can never land.
 */
export class GroupLog {
  readonly #options: GroupLogOptions;
  #connection: Connection | null;
  #position: number;
  #queue: Write[] = [];
  #queueBytes = 0;
  #isPumping = false;
  #doubt: Group | null = null;
  #settling: Promise<void> | null = null;
  /** Resolves when the queue is empty and no group is on its way. */
  #pumping: Promise<void> = Promise.resolve();
  #end: Error | null = null;
  readonly #load = new ThreadLoad();

  constructor(options: GroupLogOptions, connection: Connection) {
    this.#options = options;
    this.#connection = connection;
    this.#position = options.ownership.position;
  }

  /** The position of the last group that was acknowledged. */
  get position(): number {
    return this.#position;
  }

  /** The bytes of lines that wait for a commit. */
  get queueBytes(): number {
    return this.#queueBytes;
  }

  /**
   * Adds a write to the next group. On return it is stored. Thousands of writes wait for one group, and each collection of garbage
   * copies all that they hold, so a write has no promise besides the one returned.
   * @throws STORE_FULL, STORE_LOST not done · STORE_UNAVAILABLE in doubt
   */
  write(entry: LogEntry, batch: Write['batch'], begin: Write['begin']): Promise<void> {
    if (this.#end) return Promise.reject(this.#end);
    if (this.#queueBytes > 0 && this.#queueBytes + batch.lines.length > this.#options.queueBytes)
      return Promise.reject(unavailable('Too much waits for PostgreSQL; try again'));
    this.#queueBytes += batch.lines.length;
    const written = new Promise<void>((resolve, reject) => {
      this.#queue.push({ entry, batch, begin, resolve, reject });
    });
    entry.pending = written;
    if (!this.#isPumping) this.#pumping = this.#pump();
    return written;
  }

  /**
   * Waits until every write of a log so far has either happened or never will.
   * @throws STORE_LOST · STORE_UNAVAILABLE it is still unknown
   */
  async settled(entry: LogEntry | undefined): Promise<void> {
    await entry?.settled();
    if (this.#end) throw this.#end;
    if (this.#doubt) await this.#settle();
  }

  /** Waits for the writes so far, and refuses later ones. */
  async close(): Promise<void> {
    await this.#pumping;
    this.#end ??= unavailable('The store is not open');
    await this.#connection?.close();
  }

  /** Ends the log at once. A group on its way is in doubt. */
  destroy(failure: Error): void {
    this.#end ??= failure;
    this.#connection?.destroy(failure);
    this.#answer(this.#queue.splice(0), failure);
  }

  /**
   * Sends groups while writes wait. If all Workers were answered together, they would write together: PostgreSQL would wait for the
   * thread, then the thread for PostgreSQL. So while the thread is busy for most of the time, the first group takes half of the writes.
   * When it is stored, the group of the other half is sent first, and its callers make their next writes in the meantime; then the two
   * halves alternate. While the thread has time, a second round trip would cost more than it hides.
   */
  async #pump(): Promise<void> {
    this.#isPumping = true;
    try {
      let stored: readonly Write[] = [];
      while (stored.length > 0 || this.#queue.length > 0) {
        const isBusy = this.#load.isHigh();
        if (!isBusy || this.#queue.length === 0) {
          this.#answer(stored, null);
          stored = [];
        }
        const isFirst = stored.length === 0;
        if (isFirst) {
          // All writes that this turn of the event loop brings belong to the group.
          await new Promise((resolve) => setImmediate(resolve));
          if (this.#doubt) await this.#settle();
          if (this.#queue.length === 0) continue;
        }
        const { length } = this.#queue;
        const writes = this.#take(isBusy && isFirst ? Math.ceil(length / 2) : length);
        const sending = this.#send(new Group(writes, this.#position));
        this.#answer(stored, null);
        stored = await sending;
      }
    } catch (error) {
      // Nothing of the queue was sent, and none of it can be before the doubt is settled.
      this.#answer(this.#queue.splice(0), error as Error);
    } finally {
      this.#isPumping = false;
    }
  }

  /** Takes writes of the queue, at most a number of them. */
  #take(most: number): readonly Write[] {
    let bytes = 0;
    let count = 0;
    while (count < Math.min(most, GROUP_WRITES)) {
      bytes += this.#queue[count]?.batch.lines.length ?? 0;
      if (count > 0 && bytes > GROUP_BYTES) break;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  /** Sends a group, before it returns if there is a connection. Returns the writes to answer, which are stored. Those of a failed group are answered. */
  async #send(group: Group): Promise<readonly Write[]> {
    const { ownership, commit, lose } = this.#options;
    let failure: Error;
    try {
      const connection = this.#open ?? (await this.#connect());
      const sentMs = performance.now();
      const { count, hasWarned } = await connection.run(group.statement, group.valuesFor(ownership, commit));
      if (count === group.writes.length && !hasWarned) {
        this.#options.counts.acknowledged(group.writes.length, group.bytes, performance.now() - sentMs);
        this.#happened(group);
        return group.writes;
      }
      failure =
        count === 0
          ? lose('The database lacks commits that it had acknowledged')
          : unavailable('PostgreSQL did not wait for its synchronous standbys');
    } catch (error) {
      failure = this.#refused(error);
    }
    if (!(failure instanceof RuntimeError) || failure.code === 'STORE_UNAVAILABLE') this.#doubt = group;
    this.#answer(group.writes, failure);
    return [];
  }

  /** Answers the callers of writes that are stored, or failed. */
  #answer(writes: readonly Write[], failure: Error | null): void {
    for (const { entry, batch, resolve, reject } of writes) {
      this.#queueBytes -= batch.lines.length;
      entry.pending = null;
      if (failure) reject(failure);
      else resolve();
    }
  }

  /** Returns what a failed group means. Only an answer of PostgreSQL says that it did not happen. */
  #refused(error: unknown): RuntimeError {
    const failure = failureOf(error);
    if (stateOf(failure) === DUPLICATE)
      return this.#options.lose(
        constraintOf(failure) === GROUPS_KEY
          ? 'Another process has taken over this Runtime of the database'
          : 'The database holds lines that this process did not write',
      );
    return failure.code === 'STORE_FULL' ? failure : unavailable(failure.message, failure);
  }

  #happened(group: Group): void {
    this.#position += 1;
    group.apply();
    this.#options.applied(group);
  }

  /** The connection, if it can be used. */
  get #open(): Connection | null {
    return !this.#end && this.#connection?.isOpen ? this.#connection : null;
  }

  async #connect(): Promise<Connection> {
    if (this.#end) throw this.#end;
    this.#connection = await Connection.open(this.#options.connection);
    if (this.#end) this.#connection.destroy();
    return this.#connection;
  }

  #settle(): Promise<void> {
    this.#settling ??= this.#appendWall().finally(() => {
      this.#settling = null;
    });
    return this.#settling;
  }

  /**
   * Appends a wall after all groups of this writer. Its commit is also waited for, so what is found to have happened is as
   * durable as what is acknowledged. Every attempt may be repeated, since each position is taken once.
   */
  async #appendWall(): Promise<void> {
    const { ownership, commit, lose } = this.#options;
    const { id, writer } = ownership;
    for (;;) {
      const connection = this.#open ?? (await this.#connect());
      try {
        const { count, hasWarned } = await connection.run(WALL, [id, this.#position, writer, commit]);
        if (count === 0) throw lose('The database lacks commits that it had acknowledged');
        this.#position += 1;
        this.#vanished();
        if (!hasWarned) return;
      } catch (error) {
        if (stateOf(error) !== DUPLICATE) throw this.#refused(error);
      }
      const { rows } = await connection.run(GROUP_AT, [id, this.#position + 1]);
      const [found, isWall] = rows[0] ?? [];
      if (found !== writer && found !== undefined)
        throw lose('Another process has taken over this Runtime of the database');
      if (found === undefined) continue;
      // A wall of an earlier attempt: the group in doubt came too late. Else the group itself.
      if (this.#doubt && isWall === false) {
        this.#options.counts.happened += 1;
        this.#happened(this.#doubt);
        this.#doubt = null;
      } else {
        this.#position += 1;
        this.#vanished();
      }
    }
  }

  /** Notes that the group in doubt can never land. */
  #vanished(): void {
    if (this.#doubt) this.#options.counts.vanished += 1;
    this.#doubt = null;
  }
}
