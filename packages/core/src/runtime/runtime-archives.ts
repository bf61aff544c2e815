import { admitted } from '../admission.ts';
import { encodeArchive } from '../archive/archive-bytes.ts';
import { itemsOf, type SourceLog } from '../archive/stored-items.ts';
import { checkWorkerArchive, importWorker, type WorkerArchive } from '../archive/worker-archive.ts';
import { checkCall } from '../commands/requests.ts';
import type { Clock } from '../contracts/clock.ts';
import type { Hooks } from '../contracts/hooks.ts';
import type { Limits } from '../contracts/limits.ts';
import type { Page } from '../contracts/page.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type {
  ArchivedEnd,
  ArchivedPart,
  HistoryQuery,
  OldHistory,
  ServedArchives,
  StoppedQuery,
  StoppedWorker,
} from '../contracts/served-archives.ts';
import type { CallOptions } from '../contracts/served-runtime.ts';
import type { WorkerDetail } from '../contracts/worker.ts';
import { remove } from '../domain/decide.ts';
import { growthBetween } from '../domain/growth.ts';
import { emptyState } from '../domain/state.ts';
import { mintId } from '../id.ts';
import { decodeWorkersCursor } from '../log/cursor.ts';
import { hashOfKey } from '../workers/idempotency.ts';
import { loadWorker } from '../workers/loading.ts';
import { detailOf, factsOf } from '../workers/views.ts';
import { Worker } from '../workers/worker.ts';
import { ArchiveGate } from './archive-gate.ts';
import { archivedWorker } from './archived-worker.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Parts } from './parts.ts';
import { type HistoryOptions, WorkerHistory } from './worker-history.ts';

/** The largest item of an archive that is put back, unless files may be larger: a part of the lines, a state or the keys. */
const ITEM_BYTES = 16_777_216;

/** The stopped Workers that one page looks at: their states may have to be parsed. */
const LOOKED_AT = 1_000;

const sourceOf = (worker: Worker): SourceLog => {
  const { log, workerId, head, isDamaged } = worker;
  return { log, workerId, head, isDamaged };
};

const stoppedOf = (worker: Worker): StoppedWorker => {
  const { workerId, log, updatedAt, head } = worker.glimpse();
  const { eventBytes, fileBytes } = worker.stored;
  return { workerId, log, updatedAt, sizeBytes: eventBytes + fileBytes, lastSeq: head.seq };
};

const notStopped = (workerId: string): RuntimeError =>
  new RuntimeError('WORKER_NOT_STOPPED', undefined, { details: { workerId } });

/** Archives of a runtime that runs. */
export class RuntimeArchives implements ServedArchives {
  readonly #lifecycle: Pick<Lifecycle, 'opened' | 'running'>;
  readonly #hooks: Hooks;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #gate = new ArchiveGate();
  readonly #history: WorkerHistory;
  /** The last import. One at a time, because a store notes one. */
  #importing: Promise<unknown> = Promise.resolve();

  constructor({ limits, ...options }: Omit<HistoryOptions, 'gate'> & { readonly limits: Limits }) {
    const { lifecycle, hooks, clock } = options;
    this.#limits = limits;
    this.#lifecycle = lifecycle;
    this.#hooks = hooks;
    this.#clock = clock;
    this.#history = new WorkerHistory({ ...options, gate: this.#gate });
  }

  open(workerId?: string): AsyncIterable<Uint8Array> {
    const { workers, store, runtimeId } = this.#lifecycle.running();
    const worker = workerId === undefined ? null : workers.get(workerId);
    if (worker && worker.status !== 'stopped') throw notStopped(worker.workerId);
    // the heads of one moment
    const logs = (
      worker ? [worker] : [...workers].filter(({ counted, phase }) => counted !== null && phase === 'alive')
    ).map(sourceOf);
    const damaged = logs.find(({ isDamaged }) => isDamaged);
    if (damaged)
      throw new RuntimeError('WORKER_DAMAGED', undefined, { details: { workerId: damaged.workerId } });
    const content = worker ? 'worker' : 'runtime';
    const writtenAt = new Date(this.#clock.now()).toISOString();
    return this.#gate.reading(() => encodeArchive(itemsOf({ store, runtimeId, content, logs, writtenAt })));
  }

  listHistory(query: HistoryQuery): Promise<Page<OldHistory>> {
    return this.#history.listHistory(query);
  }

  openHistory(workerId: string, throughSeq: number): AsyncIterable<Uint8Array> {
    return this.#history.openHistory(workerId, throughSeq);
  }

  removeHistory(workerId: string, part: ArchivedPart, options?: CallOptions): Promise<void> {
    return this.#history.removeHistory(workerId, part, options);
  }

  async list({
    stoppedForMs = 0,
    leastBytes = 0,
    labels = {},
    after,
  }: StoppedQuery): Promise<Page<StoppedWorker>> {
    const { workers, streams } = this.#lifecycle.opened();
    for (const [name, value] of Object.entries({ stoppedForMs, leastBytes }))
      if (!Number.isSafeInteger(value) || value < 0)
        throw new RuntimeError('INVALID_REQUEST', `${name} must be a whole number`);
    const latest = this.#clock.now() - stoppedForMs;
    const found = workers.list({ status: 'stopped', labels }, decodeWorkersCursor(after) ?? '', LOOKED_AT);
    const items = found.items
      .map(stoppedOf)
      .filter(({ updatedAt, sizeBytes }) => Date.parse(updatedAt) <= latest && sizeBytes >= leastBytes);
    return { items, next: found.hasMore ? (found.items.at(-1)?.log ?? null) : null, asOf: streams.asOf };
  }

  async remove(workerId: string, { log, seq }: ArchivedEnd, options?: CallOptions): Promise<void> {
    const { workers, journal, creation } = this.#lifecycle.running();
    const call = checkCall(options);
    const worker = workers.get(workerId);
    return admitted(
      this.#hooks.admit,
      { type: 'worker.delete', workerId, worker: factsOf(worker) },
      async () => {
        await journal.commit(worker, (state) => {
          if (state.log !== log || state.head.seq !== seq)
            throw new RuntimeError(
              'INVALID_REQUEST',
              'The Worker has other events than its archive; archive it again',
              {
                details: { workerId },
              },
            );
          return remove(state, 'delete', call);
        });
        await creation.removeData(worker);
        worker.live?.readers.wake();
      },
    );
  }

  async put(archive: Uint8Array): Promise<WorkerDetail> {
    const parts = this.#lifecycle.running();
    const limits = this.#limits;
    const checked = await checkWorkerArchive(
      async function* () {
        yield archive;
      },
      Math.max(limits.fileBytes, ITEM_BYTES),
    );
    const { facts, state } = await archivedWorker(checked, limits);
    const { workerId } = facts;
    const command = { type: 'worker.import', workerId, worker: facts } as const;
    const importing = this.#importing.then(() =>
      admitted(this.#hooks.admit, command, async () => {
        const release = parts.workers.states.reserve(Math.max(0, growthBetween(null, state)));
        try {
          return await this.#put(this.#lifecycle.running(), checked);
        } finally {
          release();
        }
      }),
    );
    this.#importing = importing.catch(() => {});
    return importing;
  }

  async #put(parts: Parts, checked: WorkerArchive): Promise<WorkerDetail> {
    const { workers, store, engines, runtimeId } = parts;
    const { workerId } = checked.worker;
    const log = mintId('log');
    // invisible, and keeps the id
    const placeholder = new Worker(emptyState(workerId, log), null);
    workers.reserve(placeholder);
    let worker: Worker;
    try {
      const head = await importWorker(checked, store, log);
      const tail = new Uint8Array(0);
      const base = await store.base(log);
      worker = await loadWorker(
        { log, workerId, head, snapshot: null, ...(base && { base }), tail, isDamaged: false },
        store,
      );
    } catch (error) {
      // also after a failure of the last write, which may have happened
      await store.remove(log).then(
        () => workers.remove(placeholder),
        // the id stays reserved until the next start, because the Worker may be there
        () => {},
      );
      throw error;
    }
    workers.remove(placeholder);
    workers.reserve(worker);
    workers.changed(worker);
    const { creationKey } = worker.state;
    if (creationKey)
      workers.creationKeys.add({ hash: hashOfKey(creationKey.value), digest: creationKey.digest, workerId });
    return detailOf(worker, runtimeId, engines.get(worker.state.engine));
  }
}
