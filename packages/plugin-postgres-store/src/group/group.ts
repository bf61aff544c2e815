import { type Statement, statement } from '../database/statement.ts';
import { PLACES } from '../log/log-entry.ts';
import type { Ownership } from '../ownership/ownership.ts';
import type { SynchronousCommit } from '../schema/check.ts';
import { SCHEMA } from '../schema/tables.ts';
import { encodeKeys, type Write } from './write.ts';

/** A group of its own at $2 + 1, if the group at $2 is there and is of the same writer $3. */
const NEXT = (isWall: boolean): string => `
  insert into ${SCHEMA}.groups (runtime, position, writer, is_wall)
  select $1::int, $2::bigint + 1, $3::uuid, ${isWall} from ${SCHEMA}.groups
  where runtime = $1 and position = $2 and writer = $3 and set_config('synchronous_commit', $4, true) is not null`;

/** All lines travel as one binary parameter; the arrays say where the lines of each batch are in it. */
const BATCHES = `
insert into ${SCHEMA}.batches (runtime, lid, seq, position, start, count, lines, keys)
select $1, t.lid, t.seq, g.position, t.start, t.count, substr($5::bytea, t.at + 1, t.length), t.keys
from g, unnest($6::bigint[], $7::bigint[], $8::bigint[], $9::int[], $10::int[], $11::int[], $12::text[])
  as t(lid, seq, start, count, at, length, keys)`;

const APPEND = statement(`with g as (${NEXT(false)} returning position)${BATCHES}`);

/** A group of one append, without the arrays, which take a sixth of the time of such a commit. */
const APPEND_ONE = statement(`with g as (${NEXT(false)} returning position)
insert into ${SCHEMA}.batches (runtime, lid, seq, position, start, count, lines, keys)
select $1, $6::bigint, $7::bigint, g.position, $8::bigint, $9::int, $5::bytea, $10::text from g`);

const APPEND_AND_CREATE = statement(`with g as (${NEXT(false)} returning position),
c as (
  insert into ${SCHEMA}.logs (runtime, log, lid, worker_id, record)
  select $1, t.log, t.lid, t.worker_id, t.record
  from g, unnest($13::text[], $14::bigint[], $15::text[], $16::text[]) as t(log, lid, worker_id, record))${BATCHES}`);

/** A wall alone: after it, no group that was sent for the same position can land. */
export const WALL = statement(NEXT(true));

/** The group at $2, and if it is a wall. */
export const GROUP_AT = statement(
  `select writer, is_wall from ${SCHEMA}.groups where runtime = $1 and position = $2`,
);

/** Returns an array of PostgreSQL as text. `pg` makes it from a list of numbers too, but quotes each of them. */
const arrayOf = (numbers: readonly number[]): string => `{${numbers.join(',')}}`;

/** The writes of one commit: to many logs, at most one to each. */
export class Group {
  readonly writes: readonly Write[];
  /** The number in the tables of each log, in the order of the writes. */
  readonly #lids: readonly number[];
  readonly #position: number;

  /** `position` is that of the group before. */
  constructor(writes: readonly Write[], position: number) {
    this.writes = writes;
    this.#position = position;
    this.#lids = writes.map(({ entry }, place) => entry.lid || (position + 1) * PLACES + place);
  }

  /** The bytes of all lines. */
  get bytes(): number {
    return this.writes.reduce((sum, { batch }) => sum + batch.lines.length, 0);
  }

  get statement(): Statement {
    if (this.#onlyAppend) return APPEND_ONE;
    return this.#hasCreations ? APPEND_AND_CREATE : APPEND;
  }

  /** Returns the parameters of the statement. */
  valuesFor({ id, writer }: Ownership, commit: SynchronousCommit): readonly unknown[] {
    const fence = [id, this.#position, writer, commit];
    const { writes } = this;
    if (this.#onlyAppend) {
      const { entry, batch } = this.#onlyAppend;
      const place = [this.#lids[0], entry.seq + 1, entry.bytes, batch.count];
      return [...fence, batch.lines, ...place, encodeKeys(batch.keys)];
    }
    const lengths = writes.map(({ batch }) => batch.lines.length);
    let end = 0;
    const starts = lengths.map((length) => {
      end += length;
      return end - length;
    });
    const values = [
      ...fence,
      Buffer.concat(writes.map(({ batch }) => batch.lines)),
      arrayOf(this.#lids),
      arrayOf(writes.map(({ entry }) => entry.seq + 1)),
      arrayOf(writes.map(({ entry }) => entry.bytes)),
      arrayOf(writes.map(({ batch }) => batch.count)),
      arrayOf(starts),
      arrayOf(lengths),
      this.#keys,
    ];
    return this.#hasCreations ? [...values, ...this.#created] : values;
  }

  /** The keys of each write. Null if no write has any, since `unnest` fills a short array with nulls. */
  get #keys(): readonly (string | null)[] | null {
    const { writes } = this;
    return writes.some(({ batch }) => batch.keys?.length)
      ? writes.map(({ batch }) => encodeKeys(batch.keys))
      : null;
  }

  get #hasCreations(): boolean {
    return this.writes.some(({ begin }) => begin);
  }

  /** The logs that the group creates: their ids, numbers, Worker ids and records. */
  get #created(): readonly [string[], number[], string[], string[]] {
    const created: [string[], number[], string[], string[]] = [[], [], [], []];
    this.writes.forEach(({ entry, begin }, place) => {
      if (!begin) return;
      created[0].push(entry.log);
      created[1].push(this.#lids[place] ?? 0);
      created[2].push(begin.workerId);
      created[3].push(JSON.stringify(begin.record));
    });
    return created;
  }

  /** The write of a group that has no other one, and creates nothing. */
  get #onlyAppend(): Write | undefined {
    const [first, second] = this.writes;
    return second || first?.begin ? undefined : first;
  }

  /** Applies the writes to their logs, after the group has happened. */
  apply(): void {
    this.writes.forEach(({ entry, batch }, place) => {
      entry.lid = this.#lids[place] ?? 0;
      entry.seq += batch.count;
      entry.bytes += batch.lines.length;
      entry.isVisible = true;
    });
  }
}
