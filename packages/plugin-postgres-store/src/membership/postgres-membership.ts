import { type Logger, RuntimeError } from '@worker-runtime/core';
import {
  type HostCard,
  type Membership,
  mintId,
  type SeenHost,
  type SeenRuntime,
  type Sight,
} from '@worker-runtime/core/plugin-kit';
import type { Answer, ConnectionSettings } from '../database/connection.ts';
import { Database } from '../database/database.ts';
import { DatabaseUrl } from '../database/database-url.ts';
import { type Statement, statement } from '../database/statement.ts';
import { SCHEMA, SCHEMA_VERSION } from '../schema/tables.ts';
import type { Settings } from '../store-settings.ts';
import { Bell, RING } from './bell.ts';

/** A beat must not wait for a look. */
const CONNECTIONS = 3;

const SEEN = `'name', name, 'runtimeId', runtime_id, 'host', host, 'claim', claim, 'pinnedTo', pinned_to, 'movingTo', moving_to`;

const VERSION = statement(`select version from ${SCHEMA}.version`);

const BEAT = statement(`
insert into ${SCHEMA}.hosts as h (host, name, address, is_draining, beat) values ($1, $2, $3, $4, 1)
on conflict (host) do update set name = excluded.name, address = excluded.address, beat = h.beat + 1,
  is_draining = h.is_draining or excluded.is_draining`);

/** One statement, so that hosts and Runtimes are of one moment. */
const LOOK = statement(`
select
  (select coalesce(json_agg(json_build_object('id', host, 'name', name, 'address', address, 'isDraining', is_draining, 'beat', beat)
    order by host), '[]') from ${SCHEMA}.hosts),
  (select coalesce(json_agg(json_build_object(${SEEN}) order by name), '[]') from ${SCHEMA}.runtimes where in_cluster)`);

/**
 * The lock of the owner's row puts a beat of it before this claim, which then fails, or after it. The owner sees the result when it
 * looks after its beat.
 */
const CLAIM = statement(`
with silent as (
  select 1 from ${SCHEMA}.hosts where host = $4 and beat = $5 for update)
update ${SCHEMA}.runtimes r set host = $1, claim = r.claim + 1, moving_to = null
where r.name = $2 and r.claim = $3 and r.host is not distinct from $4 and r.in_cluster
  and ($4::text is null or exists (select from silent)
    or ($5::bigint is null and not exists (select from ${SCHEMA}.hosts h where h.host = $4)))
returning ${RING}`);

const RELEASE = statement(`
update ${SCHEMA}.runtimes set host = null, claim = claim + 1, moving_to = $4
where name = $1 and claim = $2 and host is not distinct from $3 returning ${RING}`);

const LEAVE = statement(`delete from ${SCHEMA}.hosts where host = $1 and ($2::bigint is null or beat = $2)`);

const CREATE = statement(`
insert into ${SCHEMA}.runtimes as r (name, runtime_id, in_cluster, pinned_to) values ($1, $2, true, $3)
on conflict (name) do update set in_cluster = true, pinned_to = excluded.pinned_to
returning json_build_object(${SEEN}), ${RING}`);

const MOVE = statement(
  `update ${SCHEMA}.runtimes set moving_to = $2 where name = $1 and in_cluster returning ${RING}`,
);
const DRAIN = statement(`update ${SCHEMA}.hosts set is_draining = true where host = $1 returning ${RING}`);

/** The hosts of a cluster, in the database that also has its Runtimes. */
export class PostgresMembership implements Membership {
  readonly #settings: ConnectionSettings;
  #database: Promise<Database> | null = null;
  readonly #listeners = new Set<() => void>();
  #bell: Bell | null = null;

  constructor({ source, answerMs }: Pick<Settings, 'source' | 'answerMs'>, log: Logger) {
    this.#settings = { url: new DatabaseUrl(source, log), answerMs };
  }

  async beat({ id, name, address, isDraining }: HostCard): Promise<void> {
    await this.#run(BEAT, [id, name, address, isDraining]);
  }

  async look(): Promise<Sight> {
    const { rows } = await this.#run(LOOK, []);
    const [hosts, runtimes] = rows[0] as [SeenHost[], SeenRuntime[]];
    return { hosts, runtimes };
  }

  async claim(host: string, seen: SeenRuntime, ownerBeat: number | null): Promise<boolean> {
    return this.#changes(CLAIM, [host, seen.name, seen.claim, seen.host, ownerBeat]);
  }

  async release(seen: SeenRuntime, movingTo: string | null): Promise<boolean> {
    return this.#changes(RELEASE, [seen.name, seen.claim, seen.host, movingTo]);
  }

  async leave(host: string, beat?: number): Promise<void> {
    await this.#run(LEAVE, [host, beat ?? null]);
  }

  async create(name: string, pinnedTo: string | null): Promise<SeenRuntime> {
    const { rows } = await this.#run(CREATE, [name, mintId('runtime'), pinnedTo]);
    return rows[0]?.[0] as SeenRuntime;
  }

  async move(name: string, movingTo: string): Promise<boolean> {
    return this.#changes(MOVE, [name, movingTo]);
  }

  async drain(host: string): Promise<boolean> {
    return this.#changes(DRAIN, [host]);
  }

  onChange(callback: () => void): void {
    this.#listeners.add(callback);
    this.#bell ??= new Bell(this.#settings, () => {
      for (const listener of this.#listeners) listener();
    });
  }

  async close(): Promise<void> {
    this.#bell?.close();
    const database = await this.#database?.catch(() => null);
    await database?.close();
    this.#settings.url.release();
  }

  async #changes(change: Statement, values: readonly unknown[]): Promise<boolean> {
    return (await this.#run(change, values)).count > 0;
  }

  async #run(of: Statement, values: readonly unknown[]): Promise<Answer> {
    this.#database ??= this.#connect().catch((error: unknown) => {
      this.#database = null;
      throw error;
    });
    return (await this.#database).run(of, values);
  }

  /** @throws STORE_VERSION the tables have no hosts yet · STORE_UNAVAILABLE */
  async #connect(): Promise<Database> {
    const database = new Database(this.#settings, CONNECTIONS);
    try {
      const { rows } = await database.run(VERSION, []);
      const [version = 0] = (rows[0] ?? []) as [number?];
      if (version >= SCHEMA_VERSION) return database;
      throw new RuntimeError(
        'STORE_VERSION',
        `The tables have version ${version}, and a cluster needs ${SCHEMA_VERSION}: run "worker-runtime postgres migrate"`,
        { details: { found: version, supported: SCHEMA_VERSION } },
      );
    } catch (error) {
      database.destroy();
      throw error;
    }
  }
}
