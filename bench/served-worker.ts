import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import { engine, Runtime, type RuntimePlugin } from '@worker-runtime/core';
import { type HttpOptions, http } from '@worker-runtime/plugin-http';
import { wsObservation } from '@worker-runtime/plugin-ws';
import { TEXT } from './workload.ts';

export const listen = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1', 4_096);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};

/** A served runtime with one Worker, whose output the benchmark controls. */
export interface ServedWorker {
  readonly runtime: Runtime;
  readonly port: number;
  /** Makes the engine of `ada` yield a number of messages in one array. Returns before they are committed. */
  readonly yieldMessages: (messages: number) => void;
}

/** Starts a runtime with WebSockets and a Worker whose engine yields messages on request. */
export const startServedWorker = async (
  options: HttpOptions,
  ...plugins: readonly RuntimePlugin[]
): Promise<ServedWorker> => {
  const wanted: number[] = [];
  let wake = (): void => {};
  const controlled = engine('controlled', async function* ({ signal }) {
    signal.addEventListener('abort', () => wake(), { once: true });
    while (!signal.aborted) {
      const count = wanted.shift();
      if (count === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      yield Array.from({ length: count }, () => ({
        type: 'message' as const,
        parts: [{ type: 'text' as const, text: TEXT }],
      }));
    }
  });
  const web = http({ ...options, port: 0 });
  const runtime = await Runtime.start({
    plugins: [
      ...plugins,
      web,
      wsObservation({ on: web }),
      { name: 'controlled', apply: (host) => host.useEngine(controlled) },
    ],
  });
  if ((await runtime.listWorkers()).items.length === 0) {
    await runtime.createWorker({ engine: 'controlled', workerId: 'ada' });
  }
  return {
    runtime,
    port: Number(new URL(web.url).port),
    yieldMessages(messages) {
      wanted.push(messages);
      wake();
    },
  };
};
