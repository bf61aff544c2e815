import { RuntimeError } from '../contracts/runtime-error.ts';
import type { RuntimeStore, StoredLog } from '../contracts/store.ts';
import type { Report } from '../diagnostics.ts';
import { hashOfKey } from '../workers/idempotency.ts';
import { loadWorker } from '../workers/loading.ts';
import { Worker } from '../workers/worker.ts';
import type { Parts } from './parts.ts';

/** How many Workers are loaded, recovered or attached concurrently. */
const CONCURRENCY = 64;

/** Applies `act` to all items. Synchronous results are not awaited, because that would be most of the cost of an idle Worker. */
const each = async <T>(
  items: Iterable<T> | AsyncIterable<T>,
  act: (item: T) => Promise<void> | undefined,
): Promise<void> => {
  const queue = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  const lane = async (): Promise<void> => {
    for (;;) {
      const found = queue.next();
      const next = found instanceof Promise ? await found : found;
      if (next.done) return;
      const acting = act(next.value);
      if (acting) await acting;
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, lane));
};

/** Returns the number of Workers before a log, of Workers in order. */
const countBefore = (workers: readonly Worker[], log: string): number => {
  let low = 0;
  let high = workers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((workers[middle] as Worker).log < log) low = middle + 1;
    else high = middle;
  }
  return low;
};

/**
 * Puts Workers at their places among others that are in order, which is that of their logs. Reads few ids of the others, because a
 * resting Worker may decode its one at each access.
 */
const merged = (inOrder: readonly Worker[], others: readonly Worker[]): readonly Worker[] => {
  const result: Worker[] = [];
  let next = 0;
  const sorted = others
    .map((worker) => ({ worker, log: worker.log }))
    .sort((a, b) => (a.log < b.log ? -1 : 1));
  for (const { worker, log } of sorted) {
    for (const end = countBefore(inOrder, log); next < end; next++) result.push(inOrder[next] as Worker);
    result.push(worker);
  }
  for (; next < inOrder.length; next++) result.push(inOrder[next] as Worker);
  return result;
};

/** Loads the Workers of all logs, in order of creation. An event that cannot be applied damages its Worker, and no other one. */
export const loadWorkers = async (
  logs: Iterable<StoredLog> | AsyncIterable<StoredLog>,
  store: RuntimeStore,
  report: (report: Report) => void,
): Promise<readonly Worker[]> => {
  const found: Worker[] = [];
  // most stores list most logs in order
  const others: Worker[] = [];
  let last = '';
  const keep = (worker: Worker): undefined => {
    const { log } = worker;
    if (log < last) others.push(worker);
    else {
      last = log;
      found.push(worker);
    }
  };
  await each(logs, (stored) => {
    const loaded = loadWorker(stored, store);
    if (loaded instanceof Worker) return keep(loaded);
    return loaded.then((worker) => {
      // the store has reported what it found
      if (worker.isDamaged && !stored.isDamaged)
        report({
          severity: 'error',
          code: 'WORKER_DAMAGED',
          message: 'An event of the Worker has another form than its type, and is left out',
          worker: worker.workerId,
        });
      keep(worker);
    });
  });
  return others.length === 0 ? found : merged(found, others);
};

/**
 * Brings the Workers to a consistent state after a restart, in this order: registers each Worker and its claims, removes
 * the data of deleted Workers, cancels creations that did not complete, and ends active runs as `interrupted`.
 */
export const recover = async (
  { workers, supervisor, creation }: Parts,
  found: readonly Worker[],
  report: (report: Report) => void,
): Promise<void> => {
  const unfinished: Worker[] = [];
  const deleted: Worker[] = [];
  for (const worker of found) {
    if (worker.resting) {
      workers.restore(worker);
      continue;
    }
    const { workerId, phase, status, run, creationKey, claims } = worker.state;
    if (phase === 'deleted') {
      deleted.push(worker);
      continue;
    }
    workers.restore(worker);
    if (phase === 'creating' || run !== null) unfinished.push(worker);
    if (creationKey) {
      workers.creationKeys.add({ hash: hashOfKey(creationKey.value), digest: creationKey.digest, workerId });
    }
    if (status !== 'stopped' && claims.some((claim) => claim.mode === 'write')) {
      try {
        workers.claims.take(workerId, (await supervisor.recordOf(worker)).claims);
      } catch (cause) {
        const { code } = RuntimeError.from(cause);
        report({
          severity: 'error',
          code,
          message: 'A claim could not be restored',
          worker: workerId,
          cause,
        });
      }
    }
  }
  await each(deleted, (worker) => creation.removeData(worker));
  await each(unfinished, async (worker) => {
    const { phase, run, workerId } = worker.state;
    if (phase === 'creating') return creation.cancel(worker);
    await supervisor.recover(worker);
    report({
      severity: 'warning',
      code: 'EXECUTION_LOST',
      message:
        worker.state.run === null
          ? 'A run was active when the runtime ended; it was closed as interrupted'
          : 'A run was active when the runtime ended; it will be continued',
      worker: workerId,
      details: { runId: run?.runId ?? null },
    });
  });
};

/** Attaches Workers that have queued inputs or an interrupted run, and Workers whose engine asks for it by `attachAtStart`. */
export const attachWaiting = ({ workers, supervisor, engines }: Parts): Promise<void> => {
  const eager = new Set<string>();
  for (const [name, { capabilities }] of engines) if (capabilities.attachAtStart) eager.add(name);
  const isWaiting = (worker: Worker): boolean => {
    if (worker.isDamaged || worker.status === 'stopped' || (worker.resting && eager.size === 0)) return false;
    const { phase, queue, run, engine } = worker.state;
    return phase === 'alive' && (queue.length > 0 || run?.isDetached === true || eager.has(engine));
  };
  const waiting: Worker[] = [];
  for (const worker of workers) if (isWaiting(worker)) waiting.push(worker);
  return each(waiting, (worker) => supervisor.continueWork(worker));
};
