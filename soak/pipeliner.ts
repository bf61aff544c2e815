import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Scene } from './clients.ts';

const REQUESTS = 300;

/** Sends many requests for pages over one connection without reading an answer, then leaves. Repeats. */
export const pipeline = async ({ url, workerIds, random, signal }: Scene): Promise<void> => {
  const { hostname, port } = new URL(url);
  while (!signal.aborted) {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.on('error', () => {});
    socket.pause();
    const path = `/v1/runtimes/self/workers/${random.of(workerIds)}/events?limit=1000`;
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`.repeat(REQUESTS));
    const closed = socket.destroyed ? Promise.resolve() : once(socket, 'close', { signal });
    await Promise.race([closed, delay(3_000 + random.below(10_000), undefined, { signal })]).catch(() => {});
    socket.destroy();
    await delay(1_000);
  }
};
