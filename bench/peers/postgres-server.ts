import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';

/** Returns the reason why there is no PostgreSQL, or null. */
export const preparePostgres = async (): Promise<string | null> => WITHOUT_POSTGRES;

/**
 * Starts a server with room for the connections of all clients, and with memory and a log that hold a whole measurement.
 *
 * @throws Error it acknowledges before it has synced
 */
export const startPostgres = async (): Promise<{
  readonly server: PostgresServer;
  readonly version: string;
}> => {
  const server = await PostgresServer.start([
    'max_connections=200',
    'shared_buffers=512MB',
    'max_wal_size=8GB',
  ]);
  for (const setting of ['fsync', 'synchronous_commit', 'full_page_writes']) {
    const [[value] = []] = await server.query(`show ${setting}`);
    if (value !== 'on') throw new Error(`The setting ${setting} of PostgreSQL is ${String(value)}, not on`);
  }
  const [[version] = []] = await server.query('show server_version');
  return { server, version: `PostgreSQL ${String(version).split(' ')[0]}` };
};
