import { setTimeout as delay } from 'node:timers/promises';
import { runtimeClient } from '@worker-runtime/client';
import type { ServerFrame } from '@worker-runtime/plugin-ws/wire';
import { WebSocket } from 'ws';
import type { Random } from './random.ts';
import type { Server } from './server.ts';

const WORKERS = 50;
const WORKERS_EACH = 3;
const WORDS = Array.from({ length: 30 }, (_, at) => `word-${at}`).join(' ');

/** One subscriber of a few Workers over a socket, which it reads, pauses, breaks, closes and reopens. */
class Subscriber {
  readonly #url: string;
  readonly #workers: readonly string[];
  readonly #cursors = new Map<string, string>();
  readonly #last = new Map<string, number>();
  #socket: WebSocket | null = null;
  events = 0;
  wrong = 0;

  constructor(url: string, workers: readonly string[]) {
    this.#url = url;
    this.#workers = workers;
  }

  connect(): void {
    const socket = new WebSocket(
      `${this.#url.replace('http', 'ws')}/v1/runtimes/self/stream`,
      'worker-runtime.v1',
    );
    this.#socket = socket;
    socket.on('error', () => {});
    socket.once('open', () => {
      for (const worker of this.#workers)
        socket.send(JSON.stringify({ op: 'subscribe', worker, after: this.#cursors.get(worker) ?? 'start' }));
    });
    socket.on('message', (data) => {
      // A socket that was left may still deliver messages.
      if (this.#socket === socket) this.#receive(JSON.parse(String(data as Buffer)) as ServerFrame);
    });
  }

  /** Pauses, breaks, closes or reopens its socket. */
  act(random: Random): void {
    const socket = this.#socket;
    if (socket?.readyState === WebSocket.CONNECTING) return;
    if (socket?.readyState !== WebSocket.OPEN) {
      this.connect();
      return;
    }
    const dice = random.next();
    if (dice < 0.4) {
      socket.pause();
      setTimeout(() => socket.readyState === WebSocket.OPEN && socket.resume(), random.below(8_000)).unref();
    } else if (dice < 0.7) socket.terminate();
    else socket.close();
  }

  leave(): void {
    this.#socket?.terminate();
    this.#socket = null;
  }

  #receive(frame: ServerFrame): void {
    if (frame.type !== 'events') return;
    for (const { seq } of frame.items) {
      if (seq !== (this.#last.get(frame.worker) ?? 0) + 1) this.wrong += 1;
      this.#last.set(frame.worker, seq);
      this.events += 1;
    }
    this.#cursors.set(frame.worker, frame.cursor);
  }
}

/**
 * Runs subscribers that connect, stall, break and leave at random while Workers produce output. Compares the resources
 * of the server before and after, each time without subscribers.
 */
export const soakSockets = async (
  server: Server,
  random: Random,
  { minutes, subscribers }: { readonly minutes: number; readonly subscribers: number },
): Promise<{ readonly line: string; readonly hasPassed: boolean }> => {
  await server.start();
  const api = runtimeClient({ url: server.url, webSocket: null });
  const workerIds = Array.from({ length: WORKERS }, (_, at) => `w${at}`);
  for (const workerId of workerIds) await api.createWorker({ engine: 'echo', workerId });
  const all = Array.from(
    { length: subscribers },
    () =>
      new Subscriber(
        server.url,
        Array.from({ length: WORKERS_EACH }, () => random.of(workerIds)).filter(
          (id, at, ids) => ids.indexOf(id) === at,
        ),
      ),
  );
  const end = performance.now() + minutes * 60_000;
  const round = async (until: number): Promise<void> => {
    while (performance.now() < until) {
      for (let at = 0; at < 5; at++)
        await api.sendInput(random.of(workerIds), { text: WORDS, whenBusy: 'queue' }).catch(() => {});
      for (let at = 0; at < subscribers / 100; at++) random.of(all).act(random);
      await delay(50);
    }
  };
  for (const subscriber of all) subscriber.connect();
  // Warms the server up, then measures it without subscribers.
  await round(performance.now() + 20_000);
  for (const subscriber of all) subscriber.leave();
  const before = await server.leastUsage(10);
  for (const subscriber of all) subscriber.connect();
  await round(end);
  for (const subscriber of all) subscriber.leave();
  const after = await server.leastUsage(10);
  await server.end('SIGTERM');
  const events = all.reduce((sum, one) => sum + one.events, 0);
  const wrong = all.reduce((sum, one) => sum + one.wrong, 0);
  const heap = (after.heapBytes - before.heapBytes) / 1_048_576;
  const descriptors = after.descriptors - before.descriptors;
  // The state of the Workers grows by some bytes per message.
  const hasPassed = wrong === 0 && descriptors <= 2 && heap < 32 && events > 0;
  return {
    line: `${subscribers} subscribers: ${events} events received, ${wrong} missed or repeated, ${descriptors} more descriptors, ${heap.toFixed(1)} MiB more heap (${(after.heapBytes / 1_048_576).toFixed(0)} MiB in all)`,
    hasPassed,
  };
};
