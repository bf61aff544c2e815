import { statement } from '../database/statement.ts';
import { SCHEMA } from '../schema/tables.ts';

/** One open of a Runtime: the right to append to its log of groups. */
export interface Ownership {
  /** The number of the Runtime in the database. */
  readonly id: number;
  readonly runtimeId: string;
  /** The random id of this open. It marks the groups that are appended under it. */
  readonly writer: string;
  /** The position of the group that began the ownership. */
  readonly position: number;
  /** The position up to which the heads in the table of logs are complete. */
  readonly checkpoint: number;
}

const owned = (lock: 'share' | 'no key update'): string => `owned as (
  select r.id from ${SCHEMA}.runtimes r
  where r.id = $1 and r.owner = $2
    and exists (select from ${SCHEMA}.groups g where g.runtime = $1 and g.position = $3 and g.writer = $2)
    and set_config('synchronous_commit', $4, true) is not null
  for ${lock} of r)`;

/**
 * A common table that has one row if $2 still owns the Runtime $1 and its group at $3 is there, else none. It keeps another
 * process from taking over until the statement ends. $4 is the setting of synchronous_commit.
 */
export const OWNED = owned('share');

/**
 * As `OWNED`, for a statement that changes the row of the Runtime. It takes the lock of the change first, because two
 * statements that share the lock of a row and wait to change it would wait for each other.
 */
export const OWNED_ALONE = owned('no key update');

export const ADD_RUNTIME = statement(
  `insert into ${SCHEMA}.runtimes (name, runtime_id) values ($1, $2) on conflict (name) do nothing`,
);

export const LOOK = statement(`
select r.id, r.runtime_id, r.owner, r.beat, r.checkpoint,
  (select max(g.position) from ${SCHEMA}.groups g where g.runtime = r.id), r.claim
from ${SCHEMA}.runtimes r where r.name = $1`);

/**
 * Takes over a Runtime, if its row is still as it was seen, by appending a wall under the new writer. Both happen or neither. An
 * append of the owner before that comes in between makes the wall fail with a duplicate key. $7 is the claim of a cluster, if the
 * Runtime is opened under one.
 */
export const CLAIM = statement(`
with claimed as (
  update ${SCHEMA}.runtimes set owner = $4, beat = beat + 1, configuration = $5
  where id = $1 and owner is not distinct from $2::uuid and beat = $3
    and ($7::bigint is null or claim = $7)
    and set_config('synchronous_commit', $6, true) is not null
  returning id)
insert into ${SCHEMA}.groups (runtime, position, writer, is_wall)
select id, coalesce((select max(position) from ${SCHEMA}.groups where runtime = $1), 0) + 1, $4, true from claimed`);

/** Shows that the owner is alive, and finds out if it still is the owner and if its last group is there. */
export const BEAT = statement(`
update ${SCHEMA}.runtimes r set beat = beat + 1 where r.id = $1 and r.owner = $2
  and exists (select from ${SCHEMA}.groups g where g.runtime = $1 and g.position = $3 and g.writer = $2)`);

/** Reads who owns the Runtime, and who wrote the group at a position. */
export const VERIFY = statement(`
select (select owner from ${SCHEMA}.runtimes where id = $1),
  (select writer from ${SCHEMA}.groups where runtime = $1 and position = $2)`);

export const RELEASE = statement(`
with ${OWNED_ALONE} update ${SCHEMA}.runtimes r set owner = null, beat = beat + 1 from owned where r.id = owned.id`);
