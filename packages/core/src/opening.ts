import type { Clock } from './clock.ts';
import { Bundles } from './commands/bundles.ts';
import { Creation } from './commands/creation.ts';
import { Inputs } from './commands/inputs.ts';
import { hashOfKey } from './commands/keys.ts';
import type { Report } from './diagnostics.ts';
import type { Engine } from './engine.ts';
import { Supervisor } from './execution/supervisor.ts';
import type { Hooks } from './hooks.ts';
import { Journal } from './journal/journal.ts';
import type { JsonObject, JsonValue } from './json.ts';
import type { Limits } from './limits.ts';
import type { Logger } from './logger.ts';
import { LogReader } from './observation/log-reader.ts';
import { readTranscriptPage } from './observation/pages.ts';
import { Streams } from './observation/streams.ts';
import type { Page } from './runtime-api.ts';
import { RuntimeError } from './runtime-error.ts';
import type { RuntimeStore, StoredLog } from './store.ts';
import { loadWorker } from './worker/loading.ts';
import { snapshotOf } from './worker/snapshot.ts';
import type { TranscriptItem } from './worker/transcript.ts';
import { Worker } from './worker/worker.ts';
import { Workers } from './worker/workers.ts';

export interface OpeningOptions {
  readonly store: RuntimeStore;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: Logger;
  readonly hooks: Hooks;
  readonly engines: ReadonlyMap<string, Engine>;
  readonly configuration: JsonValue;
  readonly report: (report: Report) => void;
  readonly assertRunning: () => void;
  readonly areRunsEnded: () => boolean;
}

/** What a runtime is made of once its store is open. */
export interface Opened {
  readonly runtimeId: string;
  readonly store: RuntimeStore;
  readonly engines: ReadonlyMap<string, Engine>;
  readonly workers: Workers;
  readonly journal: Journal;
  readonly reader: LogReader;
  readonly streams: Streams;
  readonly supervisor: Supervisor;
  readonly creation: Creation;
  readonly inputs: Inputs;
  readonly bundles: Bundles;
}

/** How many Workers are loaded, recovered or attached at once. */
const CONCURRENCY = 64;

/** What is done at once is not waited for: a turn each would be most of what an idle Worker costs. */
const each = async <T>(items: Iterable<T>, act: (item: T) => Promise<void> | undefined): Promise<void> => {
  const queue = items[Symbol.iterator]();
  const lane = async (): Promise<void> => {
    for (let next = queue.next(); !next.done; next = queue.next()) {
      const acting = act(next.value);
      if (acting) await acting;
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, lane));
};

/**
 * Opens the store, builds everything upon it, and brings the Workers to where their logs say they are. Costs the
 * number of Workers and the events behind their snapshots, not their history.
 */
export const openRuntime = async (options: OpeningOptions): Promise<Opened> => {
  const { store, limits, clock, log, hooks, engines, report } = options;
  const workers = new Workers(limits);
  const { runtimeId, logs } = await store.open({
    log,
    configuration: options.configuration,
    keptKeys: limits.idempotencyKeys,
    snapshotOf: (id) => {
      const worker = workers.byLog(id);
      return worker && (worker.resting ?? snapshotOf(worker.state));
    },
    report: ({ severity, code, message, workerId, details = {}, detail }) =>
      report({
        severity,
        code,
        message,
        details: details as JsonObject,
        cause: detail,
        ...(workerId !== undefined && { worker: workerId }),
      }),
  });

  const reader = new LogReader(store, limits);
  const journal: Journal = new Journal({
    ...options,
    told: (worker, events) => {
      workers.changed(worker);
      if (hooks.committed.taps.length > 0) hooks.committed.call({ workerId: worker.workerId, events });
      supervisor.reconcile(worker, events);
    },
    doubted: ({ workerId }, cause) => {
      const message = 'The store did not say what became of a commit';
      report({ severity: 'error', code: 'STORE_UNAVAILABLE', message, worker: workerId, cause });
    },
    refused: (failure) =>
      report(
        failure === null
          ? { severity: 'info', code: 'STORE_AVAILABLE', message: 'The store takes commits again' }
          : {
              severity: 'error',
              code: failure.code,
              message: `The store refuses commits: ${failure.message}`,
              cause: failure,
            },
      ),
  });
  const supervisor: Supervisor = new Supervisor({
    ...options,
    runtimeId,
    journal,
    claims: workers.claims,
    changed: (worker) => workers.changed(worker),
    createChild: async (parent, spec) => {
      const { worker } = await creation.create({ ...spec, parent: parent.workerId }, {});
      return { workerId: worker.workerId };
    },
    history: (worker, assert) => history(reader, worker, limits, assert),
  });
  const bundles = new Bundles(store, limits, clock);
  const creation = new Creation({ ...options, bundles, workers, journal, supervisor });
  const inputs = new Inputs({ ...options, journal, supervisor, reader });
  const streams = new Streams({ ...options, runtimeId, workers, reader });
  const parts = { workers, journal, reader, streams, supervisor, creation, inputs, bundles };
  const opened = { runtimeId, store, engines, ...parts };
  await recover(opened, await load(logs, store), options);
  return opened;
};

async function* history(
  reader: LogReader,
  worker: Worker,
  limits: Limits,
  assert: () => void,
): AsyncGenerator<TranscriptItem> {
  let after: string | null = 'start';
  while (after !== null) {
    assert();
    const page: Page<TranscriptItem> = await readTranscriptPage(reader, worker, { after }, limits);
    yield* page.items;
    after = page.next;
  }
}

const load = async (logs: Iterable<StoredLog>, store: RuntimeStore): Promise<readonly Worker[]> => {
  const found: Worker[] = [];
  const keep = (worker: Worker): undefined => void found.push(worker);
  await each(logs, (stored) => {
    const loaded = loadWorker(stored, store);
    return loaded instanceof Worker ? keep(loaded) : loaded.then(keep);
  });
  return found.sort((a, b) => (a.log < b.log ? -1 : 1));
};

/** What was on when the last process ended is closed, what was half made is taken back. */
const recover = async (
  { workers, supervisor, creation }: Opened,
  found: readonly Worker[],
  { report }: OpeningOptions,
): Promise<void> => {
  const unfinished: Worker[] = [];
  const deleted: Worker[] = [];
  for (const worker of found) {
    if (worker.resting) {
      workers.reserve(worker);
      workers.changed(worker);
      continue;
    }
    const { workerId, phase, status, run, creationKey, claims } = worker.state;
    if (phase === 'deleted') {
      deleted.push(worker);
      continue;
    }
    workers.reserve(worker);
    workers.changed(worker);
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
          message: 'A claim could not be taken again',
          worker: workerId,
          cause,
        });
      }
    }
  }
  await each(deleted, (worker) => creation.discard(worker));
  await each(unfinished, async (worker) => {
    const { phase, run, workerId } = worker.state;
    if (phase === 'creating') return creation.undo(worker);
    await supervisor.recover(worker);
    report({
      severity: 'warning',
      code: 'EXECUTION_LOST',
      message: 'A run was on when the runtime ended, and is closed as interrupted',
      worker: workerId,
      details: { runId: run?.runId ?? null },
    });
  });
};

/** Attaches the Workers whose inputs wait, and those whose engine asks for it. Nobody waits for this. */
export const attachWaiting = ({ workers, supervisor, engines }: Opened): Promise<void> => {
  const eager = new Set<string>();
  for (const [name, { capabilities }] of engines) if (capabilities.attachAtStart) eager.add(name);
  const isWaiting = (worker: Worker): boolean => {
    if (worker.isDamaged || worker.status === 'stopped' || (worker.resting && eager.size === 0)) return false;
    const { phase, queue, engine } = worker.state;
    return phase === 'alive' && (queue.length > 0 || eager.has(engine));
  };
  const waiting = [...workers].filter(isWaiting);
  return each(waiting, (worker) => supervisor.continueQueue(worker));
};
