import type { LogHead, Snapshot, StoredLog } from '@worker-runtime/core/plugin-kit';
import type { Database } from '../database/database.ts';
import { statement } from '../database/statement.ts';
import { LogEntry } from '../log/log-entry.ts';
import type { Ownership } from '../ownership/ownership.ts';
import { SCHEMA } from '../schema/tables.ts';

/** The most logs of one step. */
const STEP = 1_000;
/** The most bytes of lines after a snapshot that are listed with a log. The runtime reads the rest. */
const TAIL_BYTES = 65_536;
/** The bytes of such lines in one step, and those of snapshots, after which it ends. */
const STEP_BYTES = 8_388_608;
const NO_BYTES = new Uint8Array(0);

/** The ends of the logs that were written after the checkpoint. */
const ENDS = statement(`
select lid, max(seq + count - 1), max(start + octet_length(lines)) from ${SCHEMA}.batches
where runtime = $1 and position > $2 group by lid`);

const LOGS = statement(`
select log, lid, worker_id, seq, bytes, snapshot_seq, snapshot_bytes, snapshot from (
  select *, sum(octet_length(snapshot)) over (order by log rows between unbounded preceding and 1 preceding) as before
  from (select * from ${SCHEMA}.logs where runtime = $1 and log > $2 order by log limit ${STEP}) as step) as sized
where coalesce(before, 0) < ${STEP_BYTES} order by log`);

const TAILS = statement(`
select lid, seq, convert_from(lines, 'UTF8') from ${SCHEMA}.batches
where runtime = $1 and lid = any($3::bigint[]) and position > $2 order by lid, seq`);

const BASES = statement(`select log, seq, bytes, snapshot from ${SCHEMA}.bases where runtime = $1`);

type Row = readonly [
  log: string,
  lid: number,
  workerId: string,
  seq: number,
  bytes: number,
  snapshotSeq: number | null,
  snapshotBytes: number | null,
  snapshot: string | null,
];

/** A log of one step, without its tail. */
interface Found extends Omit<StoredLog, 'isDamaged' | 'tail'> {
  readonly lid: number;
  /** True if the log was written after the checkpoint. */
  readonly isLater: boolean;
  /** The number of bytes after the snapshot, if no other lines are after it than those after the checkpoint; else 0. */
  readonly tailBytes: number;
}

const foundIn = (
  [log, lid, workerId, seq, bytes, snapshotSeq, snapshotBytes, text]: Row,
  end: LogHead | undefined,
  base: Snapshot | undefined,
): Found => {
  const isLater = end !== undefined && end.seq > seq;
  const head = isLater ? end : { seq, bytes };
  const begin = base?.head.seq ?? 0;
  const snapshot: Snapshot | null =
    snapshotSeq !== null && snapshotBytes !== null && text !== null && snapshotSeq >= begin
      ? { head: { seq: snapshotSeq, bytes: snapshotBytes }, text }
      : null;
  const tailBytes = isLater && (snapshot?.head.seq ?? begin) === seq ? head.bytes - bytes : 0;
  return { log, lid, workerId, head, snapshot, ...(base && { base }), isLater, tailBytes };
};

/**
 * Lists the logs of a Runtime, step by step, and calls `add` for each. Costs the number of logs and of the batches after the
 * checkpoint. The store must not be written before the end.
 */
export const listLogs = async function* (
  database: Database,
  { id, checkpoint }: Ownership,
  add: (entry: LogEntry, isChanged: boolean) => void,
): AsyncGenerator<StoredLog> {
  const ends = new Map<number, LogHead>();
  for (const [lid, seq, bytes] of (await database.run(ENDS, [id, checkpoint])).rows as [
    number,
    number,
    number,
  ][])
    ends.set(lid, { seq, bytes });
  const bases = new Map<string, Snapshot>();
  for (const [log, seq, bytes, text] of (await database.run(BASES, [id])).rows as [
    string,
    number,
    number,
    string,
  ][])
    bases.set(log, { head: { seq, bytes }, text });
  for (let after = ''; ; ) {
    const rows = (await database.run(LOGS, [id, after])).rows as unknown as readonly Row[];
    const found = rows.map((row) => foundIn(row, ends.get(row[1]), bases.get(row[0])));
    const tails = await readTails(database, id, checkpoint, found);
    for (const { lid, isLater, tailBytes: _, ...log } of found) {
      // the next checkpoint notes the heads that this one lacks
      add(new LogEntry(log.log, lid, log.head, log.base?.head), isLater);
      yield { ...log, tail: tails.get(lid) ?? NO_BYTES, isDamaged: false };
    }
    const last = found.at(-1);
    if (!last) return;
    after = last.log;
  }
};

/** Reads the lines after the snapshot, of the logs for which that is possible and cheap. */
const readTails = async (
  database: Database,
  id: number,
  checkpoint: number,
  found: readonly Found[],
): Promise<ReadonlyMap<number, Uint8Array>> => {
  let rest = STEP_BYTES;
  const parts = new Map<number, { readonly afterSeq: number; readonly lines: Uint8Array[] }>();
  for (const { lid, tailBytes, snapshot, base } of found) {
    if (tailBytes === 0 || tailBytes > Math.min(TAIL_BYTES, rest)) continue;
    rest -= tailBytes;
    parts.set(lid, { afterSeq: snapshot?.head.seq ?? base?.head.seq ?? 0, lines: [] });
  }
  if (parts.size === 0) return new Map();
  const { rows } = await database.run(TAILS, [id, checkpoint, [...parts.keys()]]);
  for (const [lid, seq, text] of rows as [number, number, string][]) {
    const part = parts.get(lid);
    // a checkpoint may have noted a later head than that of its own position
    if (part && seq > part.afterSeq) part.lines.push(Buffer.from(text));
  }
  return new Map([...parts].map(([lid, { lines }]) => [lid, Buffer.concat(lines)]));
};
