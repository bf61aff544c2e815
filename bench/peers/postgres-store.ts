import { migrate, postgresStore } from '@worker-runtime/plugin-postgres-store';
import { embeddedRuntime } from './embedded-runtime.ts';
import type { Peer } from './peer.ts';
import { preparePostgres, startPostgres } from './postgres-server.ts';

export const embeddedPostgresStore: Peer = {
  id: 'postgres-store',
  what: 'Runtime with plugin-postgres-store, embedded',
  prepare: preparePostgres,
  async start() {
    const { server, version } = await startPostgres();
    await migrate({ url: server.url() });
    const runtime = await embeddedRuntime(postgresStore({ url: server.url(), runtime: 'bench' }));
    return {
      ...runtime,
      version: `${runtime.version}, ${version}`,
      async stop() {
        await runtime.stop();
        await server.dispose();
      },
    };
  },
};
