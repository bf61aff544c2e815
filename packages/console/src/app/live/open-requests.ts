import type { Cursor, OpenRequest, WorkerSummary } from '@worker-runtime/core';
import type { Backend, Workers } from './backend.ts';
import { Source } from './source.ts';

/** The answer that a request got. */
export interface Resolution {
  readonly decision: string | null;
  readonly by: string;
  readonly time: string;
}

/** A request of a Worker, as the inbox shows it. */
export interface InboxItem {
  readonly worker: WorkerSummary;
  readonly request: OpenRequest;
  /** Null while the request is open. */
  readonly resolution: Resolution | null;
  /** True if this page answered it. */
  readonly isOwn: boolean;
}

interface Asking {
  worker: WorkerSummary;
  /** The event up to which the requests were read. */
  seq: number;
  /** The position at which they were read first: their answers come after it. */
  readonly since: Cursor;
  requests: readonly OpenRequest[];
}

const READS_AT_ONCE = 6;
/** The number of answered requests that stay visible. */
const ANSWERED_KEPT = 30;

const keyOf = ({ runtimeId, workerId }: { readonly runtimeId: string; readonly workerId: string }): string =>
  `${runtimeId}/${workerId}`;

/** The open requests of all Workers. The watch says which Workers wait; their requests are read once for each change. */
export class OpenRequests extends Source<readonly InboxItem[]> {
  readonly #backend: Backend;
  readonly #workers: Workers;
  readonly #asking = new Map<string, Asking>();
  readonly #own = new Set<string>();
  readonly #queue = new Map<string, WorkerSummary>();
  #answered: readonly InboxItem[] = [];
  #reading = 0;

  constructor(backend: Backend, workers: Workers) {
    super();
    this.#backend = backend;
    this.#workers = workers;
    workers.subscribe(() => this.#follow());
  }

  /** Notes that this page has sent an answer. */
  answeredHere(requestId: string): void {
    this.#own.add(requestId);
  }

  protected override take(): readonly InboxItem[] {
    const open = [...this.#asking.values()].flatMap(({ worker, requests }) =>
      requests.map((request): InboxItem => ({ worker, request, resolution: null, isOwn: false })),
    );
    return [
      ...open.toSorted((one, other) => (one.request.openedAt < other.request.openedAt ? -1 : 1)),
      ...this.#answered,
    ];
  }

  #follow(): void {
    const waiting = new Set<string>();
    for (const worker of this.#workers.get().items) {
      if (worker.status !== 'waiting') continue;
      const key = keyOf(worker);
      waiting.add(key);
      if (this.#asking.get(key)?.seq !== worker.lastSeq) this.#queue.set(key, worker);
    }
    for (const [key, asking] of this.#asking) {
      if (waiting.has(key)) continue;
      this.#asking.delete(key);
      this.#queue.delete(key);
      for (const request of asking.requests) void this.#resolve(asking, request);
      this.changed();
    }
    this.#read();
  }

  #read(): void {
    for (const [key, worker] of this.#queue) {
      if (this.#reading >= READS_AT_ONCE) return;
      this.#queue.delete(key);
      this.#reading += 1;
      void this.#readWorker(key, worker)
        .catch(() => {
          // the Worker is gone or the runtime is away: the watch delivers the Worker again when it is back
        })
        .finally(() => {
          this.#reading -= 1;
          this.#read();
        });
    }
  }

  async #readWorker(key: string, worker: WorkerSummary): Promise<void> {
    const runtime = this.#backend.find(worker.runtimeId);
    if (runtime === undefined) return;
    const { items } = await runtime.api.listRequests(worker.workerId);
    const current = this.#workers.find(worker.runtimeId, worker.workerId);
    if (current?.status !== 'waiting') return;
    const known = this.#asking.get(key);
    const closed = known?.requests.filter(
      ({ requestId }) => !items.some((item) => item.requestId === requestId),
    );
    const asking = {
      worker: current,
      seq: worker.lastSeq,
      since: known?.since ?? worker.asOf,
      requests: items,
    };
    this.#asking.set(key, asking);
    for (const request of closed ?? []) void this.#resolve(asking, request);
    this.changed();
  }

  /** Finds out who answered a request, and keeps it visible. */
  async #resolve({ worker, since }: Asking, request: OpenRequest): Promise<void> {
    const resolution = await this.#resolutionOf(worker, since, request.requestId).catch(() => null);
    const item: InboxItem = {
      worker,
      request,
      resolution: resolution ?? { decision: null, by: 'unknown', time: new Date().toISOString() },
      isOwn: this.#own.has(request.requestId),
    };
    const others = this.#answered.filter((one) => one.request.requestId !== request.requestId);
    this.#answered = [item, ...others].slice(0, ANSWERED_KEPT);
    this.changed();
  }

  async #resolutionOf(worker: WorkerSummary, since: Cursor, requestId: string): Promise<Resolution | null> {
    const api = this.#backend.find(worker.runtimeId)?.api;
    for (let after: Cursor | null = since; api !== undefined && after !== null; ) {
      const { items, next }: Awaited<ReturnType<typeof api.events>> = await api.events(worker.workerId, {
        after,
      });
      for (const event of items)
        if (event.type === 'request.resolved' && event.data.request === requestId)
          return { decision: event.data.decision, by: event.data.by, time: event.time };
      after = next;
    }
    return null;
  }
}
