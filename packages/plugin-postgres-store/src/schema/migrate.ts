import { RuntimeError } from '@worker-runtime/core';
import { Client, escapeIdentifier } from 'pg';
import { failureOf } from '../database/failure.ts';
import { urlProblem } from '../database/url.ts';
import { grantsTo, MIGRATIONS, SCHEMA, SCHEMA_VERSION, VERSION_TABLE } from './tables.ts';

export interface MigrateOptions {
  /** The URL of the database, with a role that may create a schema. */
  readonly url: string;
  /** The role that runtimes use. It gets the least privileges that they need. Without it, privileges stay as they are. */
  readonly grantTo?: string;
}

/** The versions of the tables before and after a migration. 0 means that there were none. */
export interface Migrated {
  readonly from: number;
  readonly to: number;
}

/** The key of the advisory lock that keeps two migrations apart. */
const LOCK = 8_787_001;
/** The time for each connection attempt. */
const CONNECT_MS = 10_000;
/** While a change of a table waits for its lock, the statements of all runtimes wait behind it, and among them the beats of their leases. */
const LOCK_WAIT = '2s';

const migrateOn = async (client: Client, grantTo: string | undefined): Promise<Migrated> => {
  await client.query('begin');
  await client.query('select pg_advisory_xact_lock($1)', [LOCK]);
  await client.query(`set local lock_timeout = '${LOCK_WAIT}'`);
  const { rows: found } = await client.query<{ has: boolean }>('select to_regclass($1) is not null as has', [
    `${SCHEMA}.version`,
  ]);
  if (!found[0]?.has) await client.query(VERSION_TABLE);
  const { rows } = await client.query<{ version: number }>(`select version from ${SCHEMA}.version`);
  const from = rows[0]?.version ?? 0;
  if (from > SCHEMA_VERSION)
    throw new RuntimeError(
      'STORE_VERSION',
      `The tables have version ${from}, and this program writes ${SCHEMA_VERSION}`,
    );
  for (const { version, compatible, text } of MIGRATIONS) {
    if (version <= from) continue;
    await client.query(text);
    await client.query(`delete from ${SCHEMA}.version`);
    await client.query(`insert into ${SCHEMA}.version values ($1, $2)`, [version, compatible]);
  }
  if (grantTo !== undefined) await client.query(grantsTo(escapeIdentifier(grantTo)));
  await client.query('commit');
  return { from, to: SCHEMA_VERSION };
};

/**
 * Creates the tables of the store, or brings them to the version of this package, in one transaction. Runtimes of the version
 * before may have the store open at the same time.
 * @throws INVALID_REQUEST the URL · STORE_VERSION the tables are of a newer version · STORE_UNAVAILABLE also if another transaction holds
 * a table for longer than two seconds; nothing is changed then
 */
export const migrate = async ({ url, grantTo }: MigrateOptions): Promise<Migrated> => {
  const problem = urlProblem(url);
  if (problem !== null) throw new RuntimeError('INVALID_REQUEST', `The URL of the database ${problem}`);
  const client = new Client({
    connectionString: url,
    application_name: 'worker-runtime migrate',
    connectionTimeoutMillis: CONNECT_MS,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    return await migrateOn(client, grantTo);
  } catch (error) {
    throw failureOf(error);
  } finally {
    await client.end().catch(() => {});
  }
};
