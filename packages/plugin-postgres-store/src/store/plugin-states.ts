import type { Database } from '../database/database.ts';
import { statement } from '../database/statement.ts';
import type { Lease } from '../ownership/lease.ts';
import { OWNED, type Ownership } from '../ownership/ownership.ts';
import { SCHEMA } from '../schema/tables.ts';

/** Replaces a state by a later one of the same writer, or by one of the next writer. A statement that arrives late is neither. */
const PUT = statement(`
with ${OWNED}, put as (
  insert into ${SCHEMA}.plugin_states as s (runtime, name, writer, number, body)
  select owned.id, $5, $2, $6, $7 from owned
  on conflict (runtime, name) do update set writer = excluded.writer, number = excluded.number, body = excluded.body
  where s.writer <> excluded.writer or s.number < excluded.number)
select 1 from owned`);
const GET = statement(`select body from ${SCHEMA}.plugin_states where runtime = $1 and name = $2`);
const NAMES = statement(`select name from ${SCHEMA}.plugin_states where runtime = $1 order by name`);

export interface PluginStatesOptions {
  readonly lease: Lease;
  readonly readers: Database;
  readonly ownership: Ownership;
}

/**
 * The states of plugins, one row each. One write is in progress at a time, because plugins may write after every commit, and a
 * beat of the lease waits for the lock of each write.
 */
export class PluginStates {
  readonly #options: PluginStatesOptions;
  #number = 0;
  #inProgress: Promise<unknown> = Promise.resolve();

  constructor(options: PluginStatesOptions) {
    this.#options = options;
  }

  /** Replaces a state. @throws STORE_LOST · STORE_FULL · STORE_UNAVAILABLE unknown whether it happened */
  async put(name: string, body: Uint8Array): Promise<void> {
    this.#number += 1;
    const values = [name, this.#number, Buffer.from(body)];
    const done = this.#inProgress.then(() => this.#options.lease.run(PUT, values));
    this.#inProgress = done.catch(() => {});
    await done;
  }

  /** Waits for the writes in progress. */
  async settled(): Promise<void> {
    await this.#inProgress;
  }

  /** Reads a state. Returns null if there is none of this name. @throws STORE_UNAVAILABLE */
  async get(name: string): Promise<Uint8Array | null> {
    const { readers, ownership } = this.#options;
    const { rows } = await readers.run(GET, [ownership.id, name]);
    return (rows[0]?.[0] as Uint8Array | undefined) ?? null;
  }

  /** Returns the names of all states, sorted. @throws STORE_UNAVAILABLE */
  async names(): Promise<readonly string[]> {
    const { readers, ownership } = this.#options;
    const { rows } = await readers.run(NAMES, [ownership.id]);
    return rows.map(([name]) => String(name));
  }
}
