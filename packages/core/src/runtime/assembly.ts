import { assertWhole, importStateOf, pendingLog } from '../archive/import-state.ts';
import { removePending } from '../archive/worker-archive.ts';
import { Bundles } from '../commands/bundles.ts';
import { Creation } from '../commands/creation.ts';
import { Files } from '../commands/files.ts';
import { Forks } from '../commands/fork.ts';
import { Inputs } from '../commands/inputs.ts';
import { RunLog } from '../commands/run-log.ts';
import { RunWaits } from '../commands/run-waits.ts';
import type { Cursor } from '../contracts/cursor.ts';
import type { Engine } from '../contracts/engine.ts';
import type { WorkerEvent } from '../contracts/event.ts';
import type { Hooks } from '../contracts/hooks.ts';
import type { JsonObject, JsonValue } from '../contracts/json.ts';
import type { Limits } from '../contracts/limits.ts';
import type { Logger } from '../contracts/logger.ts';
import type { Page } from '../contracts/page.ts';
import type { ErrorCode, RuntimeError } from '../contracts/runtime-error.ts';
import type { RuntimeStore, StoreFinding, StoreHost } from '../contracts/store.ts';
import type { TranscriptItem } from '../contracts/transcript.ts';
import type { CreateWorker } from '../contracts/worker.ts';
import type { Report } from '../diagnostics.ts';
import { snapshotOf } from '../domain/snapshot.ts';
import type { ChildCreator, HistoryReader } from '../execution/services.ts';
import { Supervisor } from '../execution/supervisor.ts';
import { Journal, type JournalListener } from '../journal/journal.ts';
import { type LogPosition, START } from '../log/cursor.ts';
import { LogReader } from '../log/log-reader.ts';
import { readForward } from '../observation/pages.ts';
import { Streams } from '../observation/streams.ts';
import type { SteadyClock } from '../steady-clock.ts';
import { readsInTime } from '../store-reads.ts';
import { TimeLimit } from '../time-limit.ts';
import { InputReader } from '../workers/input-reader.ts';
import { restingSnapshot } from '../workers/unused.ts';
import { detailOf, factsOf } from '../workers/views.ts';
import type { Worker } from '../workers/worker.ts';
import { Workers } from '../workers/workers.ts';
import type { Parts } from './parts.ts';
import { loadWorkers, recover } from './recovery.ts';

export interface AssemblyOptions {
  readonly store: RuntimeStore;
  readonly limits: Limits;
  readonly clock: SteadyClock;
  readonly log: Logger;
  readonly hooks: Hooks;
  readonly engines: ReadonlyMap<string, Engine>;
  readonly configuration: JsonValue;
  readonly report: (report: Report) => void;
  readonly assertRunning: () => void;
  readonly areRunsEnded: () => boolean;
  /** Returns the code with which streams end when the runs have ended. */
  readonly endCode: () => ErrorCode;
  /** Aborted when the runtime is to stop. */
  readonly stopping: AbortSignal;
  /** The error that ended the runtime; null unless its store was lost. */
  readonly failure: () => RuntimeError | null;
  /** Ends the runtime, because its store was lost. */
  readonly storeLost: (failure: RuntimeError) => void;
}

/** Distributes commits: to the order of changes, then to plugins, then to the supervisor. Reports trouble of the store. */
class CommitListener implements JournalListener {
  /** Set right after the journal, because the supervisor itself needs the journal. No commit comes before. */
  supervisor: Supervisor | null = null;
  readonly #workers: Workers;
  readonly #hooks: Hooks;
  readonly #report: (report: Report) => void;
  readonly storeLost: (failure: RuntimeError) => void;

  constructor(workers: Workers, { hooks, report, storeLost }: AssemblyOptions) {
    this.#workers = workers;
    this.#hooks = hooks;
    this.#report = report;
    this.storeLost = storeLost;
  }

  committed(worker: Worker, events: readonly WorkerEvent[]): void {
    this.#workers.changed(worker);
    if (this.#hooks.committed.taps.length > 0)
      this.#hooks.committed.call({ workerId: worker.workerId, worker: factsOf(worker), events });
    this.supervisor?.reconcile(worker, events);
  }

  inDoubt({ workerId }: Worker, cause: RuntimeError): void {
    const message = 'The outcome of a commit is unknown until the store reports what it holds';
    this.#report({ severity: 'error', code: 'STORE_UNAVAILABLE', message, worker: workerId, cause });
  }

  storeRefusing(cause: RuntimeError): void {
    const message = `The store refuses commits: ${cause.message}`;
    this.#report({ severity: 'error', code: cause.code, message, cause });
  }

  storeAccepting(): void {
    const message = 'The store accepts commits again';
    this.#report({ severity: 'info', code: 'STORE_AVAILABLE', message });
  }
}

/** The services that the runtime offers to the store that it opens. */
const storeHost = (
  workers: Workers,
  { log, configuration, limits, report, stopping, storeLost }: AssemblyOptions,
): StoreHost => ({
  stopping,
  lost: storeLost,
  log,
  configuration,
  keptKeys: limits.idempotencyKeys,
  snapshotOf: (id) => {
    const worker = workers.byLog(id);
    return worker && (worker.resting ? restingSnapshot(worker.resting) : snapshotOf(worker.state));
  },
  report: ({ severity, code, message, workerId, details = {}, detail }: StoreFinding) =>
    report({
      severity,
      code,
      message,
      details: details as JsonObject,
      cause: detail,
      ...(workerId !== undefined && { worker: workerId }),
    }),
});

const isInput = ({ role }: TranscriptItem): boolean => role === 'user' || role === 'system';

const historyReader = (reader: LogReader, limits: Limits): HistoryReader => ({
  async *history(worker, assertAttached) {
    const { historyFrom } = worker.state;
    let after: Cursor | LogPosition | null = historyFrom?.at ?? worker.base?.at ?? START;
    while (after !== null) {
      assertAttached();
      const page: Page<TranscriptItem> = await readForward(
        reader,
        worker,
        after,
        limits.pageItems,
        limits,
        true,
      );
      // the input of a run that was queued stands before the answers to the runs before it
      for (const item of page.items)
        if (historyFrom === null || item.seq > historyFrom.answersAfter || isInput(item)) yield item;
      after = page.next;
    }
  },
});

/**
 * Opens the store, builds all parts on it, and recovers the Workers. Costs the number of Workers and of events after
 * their snapshots, and not the length of their history.
 */
export const openRuntime = async (options: AssemblyOptions): Promise<Parts> => {
  const { store, limits, engines, report } = options;
  const workers = new Workers(limits);
  const { runtimeId, logs } = await store.open(storeHost(workers, options));
  const imported = await importStateOf(store);
  assertWhole(imported);
  const pending = pendingLog(imported);

  const reads = readsInTime(store, options.clock, limits.commitTimeoutMs);
  const reader = new LogReader(reads, limits);
  // a run waits for a store that is away, and shares no read with a caller that does not
  const runReads = readsInTime(store, options.clock, limits.storeOutageMs);
  const runReader = new LogReader(runReads, { ...limits, recentReadBytes: 0 });
  const listener = new CommitListener(workers, options);
  const journal = new Journal({ ...options, listener, states: workers.states });
  const children: ChildCreator = {
    async createChild(parent: Worker, spec: CreateWorker) {
      const { worker } = await creation.create({ ...spec, parent: parent.workerId }, {}, parent);
      return { workerId: worker.workerId };
    },
  };
  const files = new Files({ ...options, reads, journal, states: workers.states });
  const { claims, activeInputs, inFlight } = workers;
  const services = {
    ...options,
    runtimeId,
    journal,
    children,
    files,
    reader: historyReader(runReader, limits),
    inputs: new InputReader(runReader),
    runTimes: new TimeLimit(options.clock, limits.runTimeoutMs),
    activeInputs,
    inFlight,
  };
  const supervisor = new Supervisor({
    services,
    reads,
    engines,
    claims,
    changed: (worker) => workers.changed(worker),
  });
  listener.supervisor = supervisor;
  const bundles = new Bundles(store, reads, limits, options.clock);
  const creating = { ...options, bundles, workers, journal, supervisor };
  const creation = new Creation(creating);
  const forks = new Forks({ ...creating, reader, cancel: (worker) => creation.cancel(worker) });
  const runs = new RunLog(reader, limits);
  const waits = new RunWaits({ ...options, runs });
  const { openInputs, keys } = workers;
  const inputs = new Inputs({ ...options, openInputs, keys, journal, supervisor, reads, reader, waits });
  const streams = new Streams({
    ...options,
    runtimeId,
    workers,
    reader,
    detailOf: (worker) => detailOf(worker, runtimeId, engines.get(worker.state.engine)),
  });
  const parts: Parts = {
    runtimeId,
    store,
    engines,
    workers,
    journal,
    reader,
    streams,
    supervisor,
    creation,
    forks,
    files,
    inputs,
    runs,
    waits,
    bundles,
  };
  const found = await loadWorkers(logs, store, report);
  // the import of a Worker that did not end
  if (pending !== null) await removePending(store).catch(() => {});
  await recover(parts, pending === null ? found : found.filter(({ log }) => log !== pending), report);
  return parts;
};
