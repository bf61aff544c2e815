import type { StoreHarness } from '@worker-runtime/core/testing';
import type { PostgresServer } from '@worker-runtime/test-environment/postgres-server';
import { TcpProxy } from '@worker-runtime/test-environment/tcp-proxy';
import { PostgresStore } from '../src/postgres-store.ts';
import { Places } from './places.ts';

/** Short, because a test that kills an owner waits as long. */
export const LEASE_MS = 400;

let made = 0;
const places = new Places(10);

/** Returns a harness for `testStore`: a Runtime of its own in a database, and a proxy for each store before the port. */
export const storeHarness =
  (server: PostgresServer, database: string, port = server.port) =>
  async (): Promise<StoreHarness> => {
    await places.take();
    made += 1;
    const runtime = `runtime-${process.pid}-${made}`;
    const proxies: TcpProxy[] = [];
    const open = async (): Promise<PostgresStore> => {
      const proxy = await TcpProxy.to(port);
      proxies.push(proxy);
      const url = server.url({ port: proxy.port, user: 'worker', database });
      return new PostgresStore({
        url,
        runtime,
        leaseMs: LEASE_MS,
        whenLocked: 'refuse',
        checkpointMs: 200,
        answerMs: 30_000,
      });
    };
    return {
      open,
      kill: async () => proxies.at(-1)?.cut(),
      takeOver: async () => {
        await server.query(
          'update worker_runtime.runtimes set owner = null, beat = beat + 1 where name = $1',
          [runtime],
          database,
        );
        return open();
      },
      bytesRead: () => proxies.reduce((sum, proxy) => sum + proxy.bytesRead, 0),
      dispose: async () => {
        await Promise.all(proxies.map((proxy) => proxy.close()));
        places.release();
      },
    };
  };
