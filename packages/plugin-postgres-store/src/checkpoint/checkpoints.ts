import type { Snapshot, StoreHost } from '@worker-runtime/core/plugin-kit';
import { statement } from '../database/statement.ts';
import type { Group } from '../group/group.ts';
import type { LogEntry } from '../log/log-entry.ts';
import type { Lease } from '../ownership/lease.ts';
import { OWNED, OWNED_ALONE } from '../ownership/ownership.ts';
import { SCHEMA } from '../schema/tables.ts';

/** The logs of one statement. */
const STEP = 500;
/** The batches of a removed log that are deleted by one statement. */
const DELETED_BATCHES = 5_000;

/** Notes the heads and the snapshots of logs. A log without a snapshot keeps its last one. */
const NOTE_HEADS = statement(`
with ${OWNED}, noted as (
  update ${SCHEMA}.logs l set seq = t.seq, bytes = t.bytes,
    snapshot_seq = coalesce(t.snapshot_seq, l.snapshot_seq),
    snapshot_bytes = case when t.snapshot_seq is null then l.snapshot_bytes else t.snapshot_bytes end,
    snapshot = case when t.snapshot_seq is null then l.snapshot else t.snapshot end
  from owned, unnest($5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::text[])
    as t(log, seq, bytes, snapshot_seq, snapshot_bytes, snapshot)
  where l.runtime = owned.id and l.log = t.log)
select 1 from owned`);

/** Moves the checkpoint to $5, and deletes the groups before $6, except walls. */
const MOVE = statement(`
with ${OWNED_ALONE}, moved as (
  update ${SCHEMA}.runtimes r set checkpoint = $5 from owned where r.id = owned.id),
pruned as (
  delete from ${SCHEMA}.groups g using owned where g.runtime = owned.id and g.position < $6 and not g.is_wall)
select 1 from owned`);

/** Returns the number of a removed log whose batches are not all deleted. */
const NEXT_REMOVED = statement(`select lid from ${SCHEMA}.removed where runtime = $1 order by lid limit 1`);

/** Deletes batches of the removed log $5, from the first one; and its mark, if no more are left. */
const DELETE_BATCHES = statement(`
with ${OWNED}, b as (
  select seq from ${SCHEMA}.batches where runtime = $1 and lid = $5 order by seq limit ${DELETED_BATCHES}),
deleted as (
  delete from ${SCHEMA}.batches x using owned
  where x.runtime = owned.id and x.lid = $5 and x.seq <= (select max(seq) from b)),
unmarked as (
  delete from ${SCHEMA}.removed m using owned
  where m.runtime = owned.id and m.lid = $5 and (select count(*) from b) < ${DELETED_BATCHES})
select 1 from owned`);

/** Deletes batches of the log $5 all of whose lines are before the line $6 of its base. Returns a row while more may be left. */
const DELETE_TRIMMED = statement(`
with ${OWNED}, kept as (
  select max(seq) as seq from ${SCHEMA}.batches where runtime = $1 and lid = $5 and seq <= $6::bigint + 1),
b as (
  select x.seq from ${SCHEMA}.batches x, kept
  where x.runtime = $1 and x.lid = $5 and x.seq < kept.seq order by x.seq limit ${DELETED_BATCHES}),
deleted as (
  delete from ${SCHEMA}.batches x using owned
  where x.runtime = owned.id and x.lid = $5 and x.seq <= (select max(seq) from b))
select (select count(*) from b) from owned`);

/** Deletes the bases of logs that were never created. $5 are those that are being created. */
const DELETE_STRAY_BASES = statement(`
with ${OWNED}, deleted as (
  delete from ${SCHEMA}.bases x using owned where x.runtime = owned.id
    and not exists (select from ${SCHEMA}.logs l where l.runtime = x.runtime and l.log = x.log)
    and not (x.log = any($5::text[])))
select 1 from owned`);

export interface CheckpointOptions {
  readonly host: StoreHost;
  readonly lease: Lease;
  readonly entries: ReadonlyMap<string, LogEntry>;
  readonly everyMs: number;
  readonly bytes: number;
  readonly position: () => number;
  /** Returns the number of a removed log whose batches are not all deleted; null if there is none. */
  readonly nextRemoved: () => Promise<number | null>;
  /** The position of the last checkpoint. */
  readonly last: number;
}

export { NEXT_REMOVED };

/**
 * Writes the heads and the snapshots of the logs that changed, so that an open reads only the batches after. Deletes what is no
 * longer needed: groups below the checkpoint before the last one, and the batches of removed logs.
 */
export class Checkpoints {
  readonly #options: CheckpointOptions;
  #changed = new Set<LogEntry>();
  #bytes = 0;
  #last: number;
  #hasRemoved = true;
  /** The logs that were trimmed, and may have batches before their bases. */
  readonly #trimmed = new Set<LogEntry>();
  #hasStrays = true;
  #running: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #hasFailed = false;

  constructor(options: CheckpointOptions) {
    this.#options = options;
    this.#last = options.last;
  }

  /** The position of the last checkpoint. */
  get last(): number {
    return this.#last;
  }

  /** Allows checkpoints. Called once all logs are listed. */
  start(): void {
    this.#timer = setInterval(() => void this.#runSafely(), this.#options.everyMs);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Notes that the head of a log is later than the one in the tables. */
  changed(entry: LogEntry): void {
    this.#changed.add(entry);
  }

  /** Notes the changes of a group. */
  noted({ writes }: Group): void {
    for (const { entry, batch } of writes) {
      this.#changed.add(entry);
      this.#bytes += batch.lines.length;
    }
    if (this.#bytes >= this.#options.bytes && this.#timer) void this.#runSafely();
  }

  /** Notes that a log was removed, and its batches are to be deleted. */
  removed(entry: LogEntry | undefined): void {
    if (entry) this.#changed.delete(entry);
    this.#hasRemoved = true;
  }

  /** Notes that a log has a base, and the batches before it are to be deleted. */
  trimmed(entry: LogEntry): void {
    this.#trimmed.add(entry);
    if (this.#timer) void this.#runSafely();
  }

  /** Makes the last checkpoint, of as many logs as \`untilMs\` of \`performance.now()\` allows. @throws as \`Lease.run\` */
  async finish(untilMs: number): Promise<void> {
    this.stop();
    await this.#running;
    await this.#write(untilMs);
  }

  #runSafely(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #run(): Promise<void> {
    const { host } = this.#options;
    try {
      await this.#write(Number.POSITIVE_INFINITY);
      await this.#deleteRemoved();
      await this.#deleteTrimmed();
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed && this.#timer)
        host.report({
          severity: 'warning',
          code: 'CHECKPOINT_FAILED',
          message: 'A checkpoint failed and is tried again; until then the next open takes longer',
          detail: error,
        });
      this.#hasFailed = true;
    }
  }

  async #write(untilMs: number): Promise<void> {
    const { lease, position, entries } = this.#options;
    const at = position();
    const changed = [...this.#changed].filter((entry) => entries.get(entry.log) === entry);
    this.#changed = new Set();
    this.#bytes = 0;
    if (at === this.#last && changed.length === 0) return;
    for (let from = 0; from < changed.length; from += STEP) {
      const step = changed.slice(from, from + STEP);
      try {
        if (performance.now() > untilMs) return;
        await lease.run(NOTE_HEADS, this.#valuesOf(step));
      } catch (error) {
        for (const entry of changed.slice(from)) this.#changed.add(entry);
        throw error;
      }
    }
    await lease.run(MOVE, [at, this.#last]);
    this.#last = at;
  }

  #valuesOf(step: readonly LogEntry[]): readonly unknown[] {
    const snapshots = step.map((entry) => this.#snapshotOf(entry));
    return [
      step.map(({ log }) => log),
      step.map(({ seq }) => seq),
      step.map(({ bytes }) => bytes),
      snapshots.map((snapshot) => snapshot?.head.seq ?? null),
      snapshots.map((snapshot) => snapshot?.head.bytes ?? null),
      snapshots.map((snapshot) => snapshot?.text ?? null),
    ];
  }

  /** Returns the snapshot of a log, unless it is of lines that are not acknowledged to the store. */
  #snapshotOf(entry: LogEntry): Snapshot | undefined {
    const snapshot = this.#options.host.snapshotOf(entry.log);
    return snapshot && snapshot.head.seq <= entry.seq ? snapshot : undefined;
  }

  async #deleteTrimmed(): Promise<void> {
    const { lease, entries } = this.#options;
    for (const entry of this.#trimmed) {
      for (let left = DELETED_BATCHES; left === DELETED_BATCHES; ) {
        const { rows } = await lease.run(DELETE_TRIMMED, [entry.lid, entry.begin.seq]);
        left = rows[0]?.[0] as number;
      }
      this.#trimmed.delete(entry);
    }
    if (!this.#hasStrays) return;
    const creating = [...entries.values()].filter(({ isVisible }) => !isVisible).map(({ log }) => log);
    await lease.run(DELETE_STRAY_BASES, [creating]);
    this.#hasStrays = false;
  }

  async #deleteRemoved(): Promise<void> {
    const { lease, nextRemoved } = this.#options;
    while (this.#hasRemoved) {
      this.#hasRemoved = false;
      const lid = await nextRemoved();
      if (lid === null) return;
      this.#hasRemoved = true;
      await lease.run(DELETE_BATCHES, [lid]);
    }
  }
}
