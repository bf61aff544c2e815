/** The schema of PostgreSQL that holds all tables. */
export const SCHEMA = 'worker_runtime';

/** The version of the tables that this package writes. */
export const SCHEMA_VERSION = 3;

/** One step from one version of the tables to the next. */
export interface Migration {
  readonly version: number;
  /** The oldest version of this package's tables whose programs may still use the tables after this step. */
  readonly compatible: number;
  readonly text: string;
}

/** FORMAT.md describes the tables. A step that was published does not change; a new one follows it. */
export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    compatible: 1,
    text: `
create table ${SCHEMA}.runtimes (
  id int generated always as identity primary key,
  name text collate "C" not null unique,
  runtime_id text collate "C" not null unique,
  configuration text not null default 'null',
  owner uuid,
  beat bigint not null default 0,
  checkpoint bigint not null default 0
) with (fillfactor = 50);

create table ${SCHEMA}.groups (
  runtime int not null,
  position bigint not null,
  writer uuid not null,
  is_wall boolean not null default false,
  primary key (runtime, position)
);

create table ${SCHEMA}.logs (
  runtime int not null,
  log text collate "C" not null,
  lid bigint not null,
  worker_id text collate "C" not null,
  record text not null,
  seq bigint not null default 0,
  bytes bigint not null default 0,
  snapshot_seq bigint,
  snapshot_bytes bigint,
  snapshot text,
  primary key (runtime, log)
) with (fillfactor = 80);

create table ${SCHEMA}.batches (
  runtime int not null,
  lid bigint not null,
  seq bigint not null,
  position bigint not null,
  start bigint not null,
  count int not null,
  lines bytea compression lz4 not null,
  keys text,
  primary key (runtime, lid, seq)
) with (autovacuum_vacuum_insert_scale_factor = 0.05);
create index batches_by_position on ${SCHEMA}.batches (runtime, position);
create index batches_with_keys on ${SCHEMA}.batches (runtime, lid, seq) where keys is not null;

create table ${SCHEMA}.removed (
  runtime int not null,
  lid bigint not null,
  primary key (runtime, lid)
);

create table ${SCHEMA}.blobs (
  runtime int not null,
  lid bigint not null,
  name text collate "C" not null,
  body bytea not null,
  primary key (runtime, lid, name)
);

create table ${SCHEMA}.bundles (
  runtime int not null,
  digest text collate "C" not null,
  body bytea not null,
  primary key (runtime, digest)
);

create table ${SCHEMA}.plugin_states (
  runtime int not null,
  name text collate "C" not null,
  writer uuid not null,
  number bigint not null,
  body bytea not null,
  primary key (runtime, name)
) with (fillfactor = 50);`,
  },
  {
    version: 2,
    compatible: 1,
    text: `
alter table ${SCHEMA}.runtimes
  add column in_cluster boolean not null default false,
  add column host text collate "C",
  add column claim bigint not null default 0,
  add column pinned_to text collate "C",
  add column moving_to text collate "C";

create table ${SCHEMA}.hosts (
  host text collate "C" primary key,
  name text collate "C" not null,
  address text not null,
  beat bigint not null,
  is_draining boolean not null
) with (fillfactor = 50);`,
  },
  {
    version: 3,
    compatible: 1,
    text: `
create table ${SCHEMA}.bases (
  runtime int not null,
  log text collate "C" not null,
  seq bigint not null,
  bytes bigint not null,
  snapshot text not null,
  keys text,
  primary key (runtime, log)
);`,
  },
];

/** The table that holds the version, which is read before anything else. Its form never changes. */
export const VERSION_TABLE = `
create schema if not exists ${SCHEMA};
create table if not exists ${SCHEMA}.version (
  version int not null,
  compatible int not null
);`;

/** The least privileges of the role that a runtime uses. \`role\` is quoted. */
export const grantsTo = (role: string): string => `
grant usage on schema ${SCHEMA} to ${role};
grant select on ${SCHEMA}.version to ${role};
grant select, insert, update (configuration, owner, beat, checkpoint, in_cluster, host, claim, pinned_to, moving_to)
  on ${SCHEMA}.runtimes to ${role};
grant select, insert, update, delete on ${SCHEMA}.hosts to ${role};
grant select, insert, delete on ${SCHEMA}.groups, ${SCHEMA}.batches, ${SCHEMA}.removed, ${SCHEMA}.blobs to ${role};
grant select, insert, delete, update (seq, bytes, snapshot_seq, snapshot_bytes, snapshot) on ${SCHEMA}.logs to ${role};
grant select, insert, delete, update (seq, bytes, snapshot, keys) on ${SCHEMA}.bases to ${role};
grant select, insert on ${SCHEMA}.bundles to ${role};
grant select, insert, update (writer, number, body) on ${SCHEMA}.plugin_states to ${role};`;
