import { type JsonValue, RuntimeError } from '@worker-runtime/core';
import type {
  Batch,
  KeyEntry,
  LinePosition,
  LogHead,
  LogSlice,
  NewLog,
  ReadLimits,
  Snapshot,
  StoredBundle,
  StoredLog,
  StoreHost,
} from '@worker-runtime/core/plugin-kit';
import { Checkpoints, NEXT_REMOVED } from '../checkpoint/checkpoints.ts';
import { Connection, type ConnectionSettings } from '../database/connection.ts';
import { Database } from '../database/database.ts';
import { DatabaseUrl } from '../database/database-url.ts';
import { statement } from '../database/statement.ts';
import { GroupLog } from '../group/group-log.ts';
import { decodeKeys, encodeKeys } from '../group/write.ts';
import { LogEntry } from '../log/log-entry.ts';
import type { Counts, StoreState } from '../metrics/counts.ts';
import { Lease } from '../ownership/lease.ts';
import { OWNED, type Ownership } from '../ownership/ownership.ts';
import { Takeover } from '../ownership/takeover.ts';
import { readSlice } from '../read/slice-reader.ts';
import { checkServer, type SynchronousCommit } from '../schema/check.ts';
import { SCHEMA } from '../schema/tables.ts';
import type { Settings } from '../store-settings.ts';
import { listLogs } from './listing.ts';
import { PluginStates } from './plugin-states.ts';

/**
 * The connections for the lease, checkpoints, states of plugins and small documents. Neither a checkpoint nor a state may keep
 * the lease from counting.
 */
const CONTROL_CONNECTIONS = 3;

const REMOVE = statement(`
with ${OWNED}, gone as (
  delete from ${SCHEMA}.logs l using owned where l.runtime = owned.id and l.log = $5 returning l.lid),
marked as (
  insert into ${SCHEMA}.removed (runtime, lid) select $1, lid from gone),
blobs as (
  delete from ${SCHEMA}.blobs b using gone where b.runtime = $1 and b.lid = gone.lid),
bases as (
  delete from ${SCHEMA}.bases b using owned where b.runtime = owned.id and b.log = $5)
select 1 from owned`);
/** Puts the base of the log $5, unless it has a later one. $9 has the keys of the lines before it. */
const PUT_BASE = statement(`
with ${OWNED}, put as (
  insert into ${SCHEMA}.bases as b (runtime, log, seq, bytes, snapshot, keys)
  select owned.id, $5, $6, $7, $8, $9 from owned
  on conflict (runtime, log) do update set seq = excluded.seq, bytes = excluded.bytes, snapshot = excluded.snapshot,
    keys = excluded.keys
  where b.seq <= excluded.seq)
select 1 from owned`);
const BASE = statement(`select seq, bytes, snapshot from ${SCHEMA}.bases where runtime = $1 and log = $2`);
const BASE_KEYS = statement(`select keys from ${SCHEMA}.bases where runtime = $1 and log = $2`);
const PUT_BLOB = statement(`
with ${OWNED}, put as (
  insert into ${SCHEMA}.blobs (runtime, lid, name, body) select owned.id, $5, $6, $7 from owned on conflict do nothing)
select 1 from owned`);
const PUT_BUNDLE = statement(`
with ${OWNED}, put as (
  insert into ${SCHEMA}.bundles (runtime, digest, body) select owned.id, $5, $6 from owned on conflict do nothing)
select 1 from owned`);
const RECORD = statement(`select record from ${SCHEMA}.logs where runtime = $1 and log = $2`);
const BLOB = statement(`select body from ${SCHEMA}.blobs where runtime = $1 and lid = $2 and name = $3`);
const BLOBS = statement(`select name from ${SCHEMA}.blobs where runtime = $1 and lid = $2 order by name`);
const BUNDLE = statement(`select body from ${SCHEMA}.bundles where runtime = $1 and digest = $2`);
const BUNDLES = statement(`select digest from ${SCHEMA}.bundles where runtime = $1 order by digest`);
const KEYS = statement(`
select keys from ${SCHEMA}.batches
where runtime = $1 and lid = $2 and keys is not null order by seq desc limit $3`);

const notFound = (log: string): RuntimeError =>
  new RuntimeError('WORKER_NOT_FOUND', 'There is no such log', { details: { log } });

/** The connections of an open store, and what it owns. */
interface Opened {
  readonly settings: Settings;
  readonly host: StoreHost;
  readonly connection: ConnectionSettings;
  readonly commit: SynchronousCommit;
  readonly ownership: Ownership;
  readonly control: Database;
  readonly writer: Connection;
  readonly counts: Counts;
}

/** A Runtime in the database that this process owns: its logs by their ids, and the operations on them. */
export class OpenStore {
  readonly #entries = new Map<string, LogEntry>();
  readonly #settings: Settings;
  readonly #host: StoreHost;
  readonly #url: DatabaseUrl;
  readonly #ownership: Ownership;
  readonly #control: Database;
  readonly #readers: Database;
  readonly #groups: GroupLog;
  readonly #lease: Lease;
  readonly #checkpoints: Checkpoints;
  readonly #pluginStates: PluginStates;
  #loss: RuntimeError | null = null;

  private constructor({ settings, host, connection, commit, ownership, control, writer, counts }: Opened) {
    const { leaseMs, queueBytes, checkpointMs, checkpointBytes, readers } = settings;
    this.#settings = settings;
    this.#url = connection.url;
    this.#host = host;
    this.#ownership = ownership;
    this.#control = control;
    this.#readers = new Database(connection, readers);
    const lose = (message: string): RuntimeError => this.#lose(message);
    const position = (): number => this.#groups.position;
    this.#groups = new GroupLog(
      {
        connection,
        ownership,
        commit,
        queueBytes,
        counts,
        applied: (group) => this.#checkpoints.noted(group),
        lose,
      },
      writer,
    );
    this.#lease = new Lease({ database: control, ownership, commit, leaseMs, position, lose });
    this.#pluginStates = new PluginStates({ lease: this.#lease, readers: this.#readers, ownership });
    this.#checkpoints = new Checkpoints({
      host,
      lease: this.#lease,
      entries: this.#entries,
      everyMs: checkpointMs,
      bytes: checkpointBytes,
      position,
      nextRemoved: async () => {
        const { rows } = await this.#readers.run(NEXT_REMOVED, [ownership.id]);
        return (rows[0]?.[0] as number | undefined) ?? null;
      },
      last: ownership.checkpoint,
    });
  }

  /**
   * Connects, checks the server, and takes the ownership of the Runtime, if necessary after a wait.
   * @throws STORE_LOCKED · STORE_VERSION · STORE_UNAVAILABLE
   */
  static async open(settings: Settings, host: StoreHost, counts: Counts): Promise<OpenStore> {
    const connection = { url: new DatabaseUrl(settings.source, host.log), answerMs: settings.answerMs };
    const control = new Database(connection, CONTROL_CONNECTIONS);
    let writer: Connection | null = null;
    try {
      writer = await Connection.open(connection);
      const commit = await checkServer(writer, settings.durability === 'relaxed', host);
      const ownership = await new Takeover(control, settings, host, commit).take();
      return new OpenStore({ settings, host, connection, commit, ownership, control, writer, counts });
    } catch (error) {
      control.destroy();
      writer?.destroy();
      connection.url.release();
      throw error;
    }
  }

  get runtimeId(): string {
    return this.#ownership.runtimeId;
  }

  /** The error of the loss; null while this process owns the Runtime. */
  get loss(): RuntimeError | null {
    return this.#loss;
  }

  get state(): StoreState {
    return {
      isOwner: this.#loss === null,
      queueBytes: this.#groups.queueBytes,
      groupsAfterCheckpoint: this.#groups.position - this.#checkpoints.last,
      leaseAgeMs: this.#lease.ageMs,
    };
  }

  /** Lists the logs step by step. Checkpoints are allowed once all are listed. */
  async *list(): AsyncGenerator<StoredLog> {
    yield* listLogs(this.#readers, this.#ownership, (entry, isChanged) => {
      this.#entries.set(entry.log, entry);
      if (isChanged) this.#checkpoints.changed(entry);
      if (entry.begin.seq > 0) this.#checkpoints.trimmed(entry);
    });
    this.#checkpoints.start();
  }

  async create(log: string, begin: NewLog, batch: Batch): Promise<void> {
    if (this.#entries.has(log))
      throw new RuntimeError('STORE_CONFLICT', 'The log exists already', { details: { log } });
    const head = begin.base?.head;
    const entry = new LogEntry(log, 0, head, head);
    this.#entries.set(log, entry);
    try {
      if (begin.base) await this.#putBase(log, begin.base, []);
      await this.#groups.write(entry, batch, begin);
    } catch (error) {
      // in doubt: the log stays known, so that `head` can tell
      if (!(error instanceof RuntimeError) || error.code !== 'STORE_UNAVAILABLE') this.#entries.delete(log);
      throw error;
    }
  }

  append(log: string, after: LogHead, batch: Batch): Promise<void> {
    const entry = this.#entry(log);
    if (entry.pending || after.seq !== entry.seq || after.bytes !== entry.bytes)
      throw new RuntimeError('STORE_CONFLICT', undefined, { details: { log, after, head: entry.head } });
    return this.#groups.write(entry, batch, null);
  }

  async trim(log: string, base: Snapshot): Promise<void> {
    const entry = this.#entry(log);
    const { seq } = base.head;
    if (seq >= entry.seq || seq < entry.begin.seq)
      throw new RuntimeError('STORE_CONFLICT', 'The log cannot begin there', { details: { log } });
    const keys = await this.keys(log);
    await this.#putBase(
      log,
      base,
      keys.filter((key) => key.seq <= seq),
    );
    entry.begin = base.head;
    this.#checkpoints.trimmed(entry);
  }

  async base(log: string): Promise<Snapshot | null> {
    if (this.#entry(log).begin.seq === 0) return null;
    const { rows } = await this.#readers.run(BASE, [this.#ownership.id, log]);
    const [seq, bytes, text] = (rows[0] ?? []) as [number?, number?, string?];
    if (seq === undefined || bytes === undefined || text === undefined) throw notFound(log);
    return { head: { seq, bytes }, text };
  }

  async head(log: string): Promise<LogHead> {
    await this.#groups.settled(this.#entries.get(log));
    const entry = this.#entries.get(log);
    if (entry?.isVisible) return entry.head;
    // a creation that never happened
    this.#entries.delete(log);
    throw notFound(log);
  }

  async read(log: string, position: LinePosition, limits: ReadLimits): Promise<LogSlice> {
    return readSlice(this.#readers, this.#ownership.id, this.#entry(log), position, limits);
  }

  async record(log: string): Promise<JsonValue> {
    this.#entry(log);
    const { rows } = await this.#readers.run(RECORD, [this.#ownership.id, log]);
    const [record] = rows[0] ?? [];
    if (typeof record !== 'string') throw notFound(log);
    return JSON.parse(record) as JsonValue;
  }

  async keys(log: string): Promise<readonly KeyEntry[]> {
    const { lid, begin } = this.#entry(log);
    const { keptKeys } = this.#host;
    const { rows } = await this.#readers.run(KEYS, [this.#ownership.id, lid, keptKeys]);
    const entries: KeyEntry[] = [];
    for (const [keys] of rows) {
      if (entries.length >= keptKeys) break;
      entries.unshift(...decodeKeys(keys as string));
    }
    if (begin.seq === 0 || entries.length >= keptKeys) return entries;
    // those of lines before the base, whose batches may be there or not
    const [keys] = (await this.#readers.run(BASE_KEYS, [this.#ownership.id, log])).rows[0] ?? [];
    const known = new Set(entries.map(({ seq }) => seq));
    const earlier = typeof keys === 'string' ? decodeKeys(keys) : [];
    const missing = earlier.filter(({ seq }) => !known.has(seq));
    return [...missing, ...entries].sort((a, b) => a.seq - b.seq).slice(-keptKeys);
  }

  async remove(log: string): Promise<void> {
    const entry = this.#entries.get(log);
    await entry?.settled();
    await this.#lease.run(REMOVE, [log]);
    this.#entries.delete(log);
    this.#checkpoints.removed(entry);
  }

  async putBlob(log: string, name: string, body: Uint8Array): Promise<void> {
    await this.#lease.run(PUT_BLOB, [this.#entry(log).lid, name, Buffer.from(body)]);
  }

  async blob(log: string, name: string): Promise<Uint8Array | null> {
    const { rows } = await this.#readers.run(BLOB, [this.#ownership.id, this.#entry(log).lid, name]);
    return (rows[0]?.[0] as Uint8Array | undefined) ?? null;
  }

  async blobs(log: string): Promise<readonly string[]> {
    const { rows } = await this.#readers.run(BLOBS, [this.#ownership.id, this.#entry(log).lid]);
    return rows.map(([name]) => String(name));
  }

  async putPluginState(name: string, body: Uint8Array): Promise<void> {
    await this.#pluginStates.put(name, body);
  }

  async pluginState(name: string): Promise<Uint8Array | null> {
    return this.#pluginStates.get(name);
  }

  pluginStates(): Promise<readonly string[]> {
    return this.#pluginStates.names();
  }

  async putBundle({ digest, body }: StoredBundle): Promise<void> {
    await this.#lease.run(PUT_BUNDLE, [digest, Buffer.from(body)]);
  }

  async bundle(digest: string): Promise<Uint8Array | null> {
    const { rows } = await this.#readers.run(BUNDLE, [this.#ownership.id, digest]);
    return (rows[0]?.[0] as Uint8Array | undefined) ?? null;
  }

  async bundles(): Promise<readonly string[]> {
    const { rows } = await this.#readers.run(BUNDLES, [this.#ownership.id]);
    return rows.map(([digest]) => String(digest));
  }

  /** Waits for the writes in progress, makes a last checkpoint, and gives the Runtime back. */
  async close(): Promise<void> {
    const until = performance.now() + this.#settings.closingMs;
    try {
      await this.#groups.close();
      await this.#pluginStates.settled();
      if (!this.#loss) await this.#checkpoints.finish(until);
      if (!this.#loss) await this.#lease.release();
    } catch (error) {
      // the host knows the loss, and a lost store has nothing to give back
      if (!this.#loss) throw error;
    } finally {
      this.#checkpoints.stop();
      this.#lease.stop();
      await Promise.all([this.#control.close(), this.#readers.close()]);
      this.#url.release();
    }
  }

  async #putBase(log: string, { head, text }: Snapshot, keys: readonly KeyEntry[]): Promise<void> {
    await this.#lease.run(PUT_BASE, [log, head.seq, head.bytes, text, encodeKeys(keys)]);
  }

  #entry(log: string): LogEntry {
    const entry = this.#entries.get(log);
    if (!entry?.isVisible) throw notFound(log);
    return entry;
  }

  /** Ends the ownership for good. Informs the host before any call is refused because of it. */
  #lose(message: string): RuntimeError {
    if (this.#loss) return this.#loss;
    const loss = new RuntimeError('STORE_LOST', message);
    this.#loss = loss;
    this.#host.lost(loss);
    this.#checkpoints.stop();
    this.#lease.stop();
    this.#groups.destroy(loss);
    this.#control.destroy();
    this.#readers.destroy();
    return loss;
  }
}
