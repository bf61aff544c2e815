import { setTimeout as delay } from 'node:timers/promises';
import { type RuntimeClient, runtimeClient } from '@worker-runtime/client';
import type { Cursor, RuntimeApi } from '@worker-runtime/core';
import { WebSocket } from 'ws';
import type { Oracle } from './oracle.ts';
import type { Random } from './random.ts';

const codeOf = (error: unknown): string => String((error as { readonly code?: unknown }).code);
/** True if the same request may succeed later. */
export const isRetryable = (error: unknown): boolean =>
  (error as { readonly retryable?: unknown }).retryable === true;

export type Transport = 'sse' | 'ws';

/** Returns a client of a runtime; without its id, of the only one at the address. */
export const clientOf = (url: string, transport: Transport, runtime = 'self'): RuntimeClient =>
  runtimeClient({
    url,
    runtime,
    retryMs: 50,
    retryMaxMs: 1_000,
    timeoutMs: 20_000,
    webSocket: transport === 'ws' ? (WebSocket as unknown as typeof globalThis.WebSocket) : null,
  });

/** The parameters that all clients of a soak share. */
export interface Scene {
  readonly url: string;
  /** The id of the runtime, if there are several at the address. */
  readonly runtime?: string;
  readonly workerIds: readonly string[];
  readonly oracle: Oracle;
  readonly random: Random;
  readonly signal: AbortSignal;
}

let keys = 0;

/** Sends inputs one after the other. Retries each until it is acknowledged or finally refused. */
export const send = async ({ url, runtime, workerIds, oracle, random, signal }: Scene): Promise<void> => {
  const api = clientOf(url, 'sse', runtime);
  while (!signal.aborted) {
    const workerId = random.of(workerIds);
    keys += 1;
    const idempotencyKey = `key-${keys}`;
    for (let tries = 0; tries < 100; tries++) {
      try {
        await api.sendInput(
          workerId,
          { text: `input ${keys} and some more`, whenBusy: 'queue' },
          { idempotencyKey },
        );
        oracle.recordAcknowledged(workerId, idempotencyKey);
        break;
      } catch (error) {
        // LIMIT_REACHED is not retried: the queue of a Worker stays full while its run hangs.
        if (!isRetryable(error) || codeOf(error) === 'LIMIT_REACHED' || signal.aborted) break;
        await delay(200);
      }
    }
    await delay(random.below(40));
  }
};

/** Cancels, stops, resumes, updates, creates and deletes Workers at random. */
export const manage = async ({ url, runtime, workerIds, oracle, random, signal }: Scene): Promise<void> => {
  const api = clientOf(url, 'sse', runtime);
  const acts: readonly ((workerId: string) => Promise<unknown>)[] = [
    (workerId) => api.cancelRun(workerId),
    (workerId) => api.cancelRun(workerId),
    async (workerId) => {
      const { status } = await api.stopWorker(workerId, { deadlineMs: 1_000 });
      if (status === 'stopped') oracle.expectStopped(workerId);
    },
    (workerId) => {
      oracle.allowRunning(workerId);
      return api.resumeWorker(workerId);
    },
    (workerId) => {
      oracle.allowRunning(workerId);
      return api.resumeWorker(workerId);
    },
    (workerId) => api.updateWorker(workerId, { labels: { round: String(random.below(1_000)) } }),
    async () => {
      const { worker } = await api.createWorker({ engine: 'echo', initialInput: { text: 'a short life' } });
      await api.stopWorker(worker.workerId);
      await api.deleteWorker(worker.workerId);
    },
  ];
  while (!signal.aborted) {
    await random
      .of(acts)(random.of(workerIds))
      .catch(() => {});
    await delay(random.below(100));
  }
};

/** Streams the events of one Worker from the beginning. At times it pauses, or reconnects at its last position. */
export const view = async (scene: Scene, workerId: string, transport: Transport): Promise<void> => {
  const { url, runtime, oracle, random, signal } = scene;
  const api = clientOf(url, transport, runtime);
  const observed = oracle.addReader(workerId);
  let after: Cursor = 'start';
  while (!signal.aborted) {
    try {
      for await (const item of api.observe(workerId, { after, signal, acrossRestarts: true })) {
        if (item.type !== 'event') continue;
        observed.add(item.event);
        after = item.cursor;
        const dice = random.next();
        if (dice < 0.002) await delay(random.below(5_000), undefined, { signal }).catch(() => {});
        else if (dice < 0.004) break;
      }
    } catch (error) {
      if (!isRetryable(error)) throw error;
      await delay(200);
    }
  }
};

/** Reads the events of one Worker in pages. */
export const poll = async (
  { url, runtime, oracle, random, signal }: Scene,
  workerId: string,
): Promise<void> => {
  const api: RuntimeApi = clientOf(url, 'sse', runtime);
  const observed = oracle.addReader(workerId);
  let after: Cursor = 'start';
  while (!signal.aborted) {
    try {
      const { items, asOf } = await api.events(workerId, { after, limit: 1 + random.below(100) });
      for (const event of items) observed.add(event);
      after = asOf;
      await delay(items.length === 0 ? 500 : 20);
    } catch (error) {
      if (!isRetryable(error)) throw error;
      await delay(200);
    }
  }
};
