import { setTimeout as delay } from 'node:timers/promises';
import { type RuntimeClient, runtimeClient } from '@worker-runtime/client';
import type { Cursor, RuntimeApi } from '@worker-runtime/core';
import { WebSocket } from 'ws';
import type { Oracle } from './oracle.ts';
import type { Random } from './random.ts';

const codeOf = (error: unknown): string => String((error as { readonly code?: unknown }).code);
/** What passes, so that the same may be asked again. */
const isPassing = (error: unknown): boolean => (error as { readonly retryable?: unknown }).retryable === true;

export type Transport = 'sse' | 'ws';

export const clientOf = (url: string, transport: Transport): RuntimeClient =>
  runtimeClient({
    url,
    retryMs: 50,
    retryMaxMs: 1_000,
    timeoutMs: 20_000,
    webSocket: transport === 'ws' ? (WebSocket as unknown as typeof globalThis.WebSocket) : null,
  });

/** What all clients of a soak share. */
export interface Scene {
  readonly url: string;
  readonly workerIds: readonly string[];
  readonly oracle: Oracle;
  readonly random: Random;
  readonly signal: AbortSignal;
}

let keys = 0;

/** Sends inputs one after the other, each until it is answered or refused for good. */
export const send = async ({ url, workerIds, oracle, random, signal }: Scene): Promise<void> => {
  const api = clientOf(url, 'sse');
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
        oracle.acknowledged(workerId, idempotencyKey);
        break;
      } catch (error) {
        // a queue that is full stays so behind a run that hangs
        if (!isPassing(error) || codeOf(error) === 'LIMIT_REACHED' || signal.aborted) break;
        await delay(200);
      }
    }
    await delay(random.below(40));
  }
};

/** Cancels, stops, resumes, changes, and lets Workers come and go. */
export const manage = async ({ url, workerIds, oracle, random, signal }: Scene): Promise<void> => {
  const api = clientOf(url, 'sse');
  const acts: readonly ((workerId: string) => Promise<unknown>)[] = [
    (workerId) => api.cancelRun(workerId),
    (workerId) => api.cancelRun(workerId),
    async (workerId) => {
      const { status } = await api.stopWorker(workerId, { deadlineMs: 1_000 });
      if (status === 'stopped') oracle.stopped(workerId);
    },
    (workerId) => {
      oracle.mayRun(workerId);
      return api.resumeWorker(workerId);
    },
    (workerId) => {
      oracle.mayRun(workerId);
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

/** Reads one Worker from its beginning, slowly at times, leaving now and then to go on from where it was. */
export const view = async (scene: Scene, workerId: string, transport: Transport): Promise<void> => {
  const { url, oracle, random, signal } = scene;
  const api = clientOf(url, transport);
  const seen = oracle.reader(workerId);
  let after: Cursor = 'start';
  while (!signal.aborted) {
    try {
      for await (const item of api.observe(workerId, { after, signal, acrossRestarts: true })) {
        if (item.type !== 'event') continue;
        seen.take(item.event);
        after = item.cursor;
        const dice = random.next();
        if (dice < 0.002) await delay(random.below(5_000), undefined, { signal }).catch(() => {});
        else if (dice < 0.004) break;
      }
    } catch (error) {
      if (!isPassing(error)) throw error;
      await delay(200);
    }
  }
};

/** Reads one Worker page by page. */
export const poll = async ({ url, oracle, random, signal }: Scene, workerId: string): Promise<void> => {
  const api: RuntimeApi = clientOf(url, 'sse');
  const seen = oracle.reader(workerId);
  let after: Cursor = 'start';
  while (!signal.aborted) {
    try {
      const { items, asOf } = await api.events(workerId, { after, limit: 1 + random.below(100) });
      for (const event of items) seen.take(event);
      after = asOf;
      await delay(items.length === 0 ? 500 : 20);
    } catch (error) {
      if (!isPassing(error)) throw error;
      await delay(200);
    }
  }
};
