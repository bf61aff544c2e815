import { RuntimeError } from '@worker-runtime/core';
import type { LinePosition, LogSlice, ReadLimits } from '@worker-runtime/core/plugin-kit';
import type { Database } from '../database/database.ts';
import { type Statement, statement } from '../database/statement.ts';
import type { LogEntry } from '../log/log-entry.ts';
import { SCHEMA } from '../schema/tables.ts';

const NEWLINE = 0x0a;
const NO_BYTES = new Uint8Array(0);

/**
 * From the batch that holds line $3, up to $4 lines and $5 bytes. The bounds are positions in the index, so the cost does not
 * depend on the length of the log.
 */
const FORWARD = statement(`
with f as (
  select seq, start + octet_length(lines) as until from ${SCHEMA}.batches
  where runtime = $1 and lid = $2 and seq <= $3 order by seq desc limit 1)
select b.seq, b.start, b.count, convert_from(b.lines, 'UTF8') from ${SCHEMA}.batches b, f
where b.runtime = $1 and b.lid = $2 and b.seq >= f.seq and b.seq < $3::bigint + $4::bigint and b.start < f.until + $5::bigint
order by b.seq limit $4`);

/** The batches before line $3 that hold the $4 lines and the $5 bytes before it. */
const BACKWARD = statement(`
with l as (
  select start from ${SCHEMA}.batches where runtime = $1 and lid = $2 and seq < $3 order by seq desc limit 1),
f as (
  select seq from ${SCHEMA}.batches
  where runtime = $1 and lid = $2 and seq <= greatest($3::bigint - $4::bigint, 1) order by seq desc limit 1)
select b.seq, b.start, b.count, convert_from(b.lines, 'UTF8') from ${SCHEMA}.batches b, l, f
where b.runtime = $1 and b.lid = $2 and b.seq >= f.seq and b.seq < $3
  and b.start + octet_length(b.lines) > l.start - $5::bigint
order by b.seq`);

/** Consecutive lines, and where each of them begins. */
class Lines {
  readonly bytes: Buffer;
  readonly firstSeq: number;
  readonly offset: number;
  /** The index in `bytes` at which each line begins, and that of their end. */
  readonly starts: readonly number[];

  constructor(rows: readonly (readonly unknown[])[]) {
    const [firstSeq = 1, offset = 0] = (rows[0] ?? []) as readonly number[];
    this.firstSeq = firstSeq;
    this.offset = offset;
    this.bytes = Buffer.concat(rows.map((row) => Buffer.from(row[3] as string)));
    const starts = [0];
    for (let at = this.bytes.indexOf(NEWLINE); at >= 0; at = this.bytes.indexOf(NEWLINE, at + 1))
      starts.push(at + 1);
    this.starts = starts;
  }

  get count(): number {
    return this.starts.length - 1;
  }

  startOf(index: number): number {
    return this.starts[index] ?? this.bytes.length;
  }

  /** Returns the lines from one index up to, but not including, another. */
  slice(from: number, to: number): LogSlice {
    const start = this.startOf(from);
    return {
      lines: this.bytes.subarray(start, this.startOf(to)),
      count: to - from,
      first: { seq: this.firstSeq + from, offset: this.offset + start },
      gap: null,
    };
  }
}

const expired = ({ log }: LogEntry): RuntimeError =>
  new RuntimeError('CURSOR_EXPIRED', 'These lines were removed', { details: { log } });

const rowsOf = async (
  database: Database,
  text: Statement,
  runtime: number,
  { lid }: LogEntry,
  seq: number,
  { count, bytes }: ReadLimits,
): Promise<Lines> =>
  new Lines((await database.run(text, [runtime, lid, seq, Math.max(1, count), Math.max(0, bytes)])).rows);

/** Reads lines of a log from the tables. Uses numbers of lines alone, so a stale offset costs nothing. */
export const readSlice = async (
  database: Database,
  runtime: number,
  entry: LogEntry,
  position: LinePosition,
  limits: ReadLimits,
): Promise<LogSlice> => {
  const { begin } = entry;
  const count = Math.max(1, limits.count);
  const beyond = entry.seq + 1;
  const nothing = { lines: NO_BYTES, count: 0, first: position, gap: null };
  if (limits.direction === 'forward') {
    const seq = Math.max(1, position.seq);
    if (seq <= begin.seq) throw expired(entry);
    if (seq >= beyond) return nothing;
    const lines = await rowsOf(database, FORWARD, runtime, entry, seq, limits);
    // a trim that came in between
    if (lines.firstSeq > seq || lines.count === 0) throw expired(entry);
    const from = seq - lines.firstSeq;
    const last = Math.min(lines.count, from + count, beyond - lines.firstSeq);
    let to = from + 1;
    while (to < last && lines.startOf(to + 1) - lines.startOf(from) <= limits.bytes) to += 1;
    return lines.slice(from, to);
  }
  const seq = Math.min(Math.max(1, position.seq), beyond);
  if (seq <= begin.seq + 1) return nothing;
  const within = { ...limits, count: Math.min(count, seq - 1 - begin.seq) };
  const lines = await rowsOf(database, BACKWARD, runtime, entry, seq, within);
  if (lines.count === 0) return nothing;
  const to = seq - lines.firstSeq;
  // the first batch may have lines before the base
  const first = Math.max(0, to - within.count);
  let from = to - 1;
  while (from > first && lines.startOf(to) - lines.startOf(from - 1) <= limits.bytes) from -= 1;
  return lines.slice(from, to);
};
