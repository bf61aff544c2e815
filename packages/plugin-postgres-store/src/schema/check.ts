import { RuntimeError } from '@worker-runtime/core';
import type { StoreHost } from '@worker-runtime/core/plugin-kit';
import type { Connection } from '../database/connection.ts';
import { unavailable } from '../database/failure.ts';
import { statement } from '../database/statement.ts';
import { SCHEMA, SCHEMA_VERSION } from './tables.ts';

const SERVER = statement(`
select to_regclass('${SCHEMA}.version') is not null, pg_is_in_recovery(), current_setting('transaction_read_only'),
  current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
  current_setting('synchronous_standby_names'), current_setting('server_encoding')`);
const VERSION = statement(`select version, compatible from ${SCHEMA}.version`);

/** The setting of \`synchronous_commit\` that each commit of the store uses. */
export type SynchronousCommit = 'on' | 'remote_apply' | 'off';

const checkVersion = async (connection: Connection): Promise<void> => {
  const { rows } = await connection.run(VERSION, []);
  const [version, compatible] = (rows[0] ?? [0, 0]) as [number, number];
  if (version < SCHEMA_VERSION)
    throw new RuntimeError(
      'STORE_VERSION',
      `The tables of the store have version ${version}, and this program needs ${SCHEMA_VERSION}: run "worker-runtime postgres migrate"`,
      { details: { found: version, supported: SCHEMA_VERSION } },
    );
  if (compatible > SCHEMA_VERSION)
    throw new RuntimeError(
      'STORE_VERSION',
      `The tables of the store have version ${version}, which this program is too old for: update it`,
      { details: { found: version, supported: SCHEMA_VERSION } },
    );
};

/**
 * Checks that the server keeps what it acknowledges, and that its tables fit. Returns how each commit is to wait. A setting
 * of the server that waits for less is overridden; one that waits for more stays.
 * @throws STORE_VERSION · STORE_UNAVAILABLE
 */
export const checkServer = async (
  connection: Connection,
  isRelaxed: boolean,
  host: StoreHost,
): Promise<SynchronousCommit> => {
  const { rows } = await connection.run(SERVER, []);
  const [hasTables, isStandby, isReadOnly, fsync, pages, commit, standbys, encoding] = rows[0] ?? [];
  if (isStandby === true || isReadOnly === 'on')
    throw unavailable('The database is read-only: the URL must lead to the primary server');
  if (encoding !== 'UTF8')
    throw unavailable('The database must have the encoding UTF8: create another one with "encoding UTF8"');
  if (hasTables !== true)
    throw new RuntimeError(
      'STORE_VERSION',
      'The database has no tables of a store: run "worker-runtime postgres migrate"',
    );
  await checkVersion(connection);
  if (isRelaxed) return 'off';
  for (const [name, value] of Object.entries({ fsync, full_page_writes: pages }))
    if (value !== 'on')
      throw unavailable(
        `PostgreSQL runs with ${name} = ${String(value)}, so a crash may lose what it acknowledged: turn it on, or set durability to relaxed`,
      );
  const where =
    standbys === '' ? 'on the disk of one server' : 'on this server and on its synchronous standbys';
  host.log.info(
    { synchronousStandbys: standbys !== '' },
    `PostgreSQL acknowledges a commit when it is ${where}`,
  );
  return commit === 'remote_apply' ? 'remote_apply' : 'on';
};
