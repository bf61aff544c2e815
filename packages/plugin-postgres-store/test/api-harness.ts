import { Runtime } from '@worker-runtime/core';
import { type RuntimeApiHarness, scriptedEngine } from '@worker-runtime/core/testing';
import type { PostgresServer } from '@worker-runtime/test-environment/postgres-server';
import { TcpProxy } from '@worker-runtime/test-environment/tcp-proxy';
import { postgresStore } from '../src/index.ts';
import { Places } from './places.ts';
import { LEASE_MS } from './store-harness.ts';

/**
 * The event that ends a runtime in place of `kill -9`:
 * - `cut`: its connections end, and it gets no others.
 * - `takeover`: another runtime takes over while it lives on.
 */
export type Ending = 'cut' | 'takeover';

let made = 0;
/** More runtimes than these at the same time would only wait for one another. */
const places = new Places(6);

/** Makes a harness for `testRuntimeApi`: a Runtime of its own in a database. */
export const apiHarness = async (
  server: PostgresServer,
  database: string,
  ending: Ending,
): Promise<RuntimeApiHarness> => {
  await places.take();
  made += 1;
  const name = `runtime-${made}`;
  const engine = scriptedEngine();
  const start = async () => {
    const proxy = await TcpProxy.to(server.port);
    const url = server.url({ port: proxy.port, user: 'worker', database });
    const runtime = await Runtime.start({
      plugins: [
        postgresStore({ url, runtime: name, leaseMs: LEASE_MS, answerMs: 30_000, readers: 1 }),
        { name: 'engine', apply: (host) => host.useEngine(engine) },
      ],
      limits: { stopDeadlineMs: 1_000, shutdownDeadlineMs: 2_000 },
    });
    return { runtime, proxy };
  };
  const ends: (() => Promise<void>)[] = [];
  let current = await start();
  const stop = async (): Promise<void> => {
    await current.runtime.stop();
    await current.proxy.close();
  };
  return {
    api: current.runtime,
    engine,
    restart: async () => {
      await stop();
      current = await start();
      return current.runtime;
    },
    kill: async () => {
      const { runtime, proxy } = current;
      ends.push(async () => {
        await runtime.stop();
        await proxy.close();
      });
      if (ending === 'cut') {
        proxy.cut();
        current = await start();
        return current.runtime;
      }
      await server.query(
        'update worker_runtime.runtimes set owner = null, beat = beat + 1 where name = $1',
        [name],
        database,
      );
      current = await start();
      const { code } = await runtime.lost;
      if (code !== 'STORE_LOST') throw new Error(`The runtime ended with ${code}`);
      return current.runtime;
    },
    archives: () => current.runtime.archives,
    dispose: async () => {
      await Promise.all([stop(), ...ends.map((end) => end())]).finally(() => places.release());
    },
  };
};
