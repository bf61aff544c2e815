import type { Cursor, OpenRequest, WorkerRequest, WorkerSummary } from '@worker-runtime/core';
import type { Backend, ConnectedRuntime, Workers } from './backend.ts';
import { seenAgain } from './seen-again.ts';
import { Source } from './source.ts';

/** The answer that a request got. */
interface Resolution {
  readonly decision: string | null;
  readonly by: string;
  /** The caller that answered, if the runtime knows it. */
  readonly actor: string | null;
  readonly time: string;
}

/** A request of a Worker, as the inbox shows it. */
export interface InboxItem {
  readonly worker: WorkerSummary;
  readonly request: OpenRequest;
  /** Null while the request is open. */
  readonly resolution: Resolution | null;
}

export interface Requests {
  /** The requests that wait for an answer, the oldest first. */
  readonly open: readonly InboxItem[];
  /** The requests that were answered while this page was open, the last one first. */
  readonly answered: readonly InboxItem[];
  /** False while there may be open requests that were not read yet. */
  readonly isComplete: boolean;
}

/** The open requests of one runtime, as they were read last. */
interface Asked {
  /** The Workers that waited, with the event up to which each was known; null if the requests have to be read again. */
  waiting: string | null;
  isReading: boolean;
  items: readonly InboxItem[];
}

/** The number of answered requests that stay visible. */
const ANSWERED_KEPT = 30;
/** The number of answers that are read back to find the one of a request. */
const ANSWERS_BACK = 50;
/** The time after which a read that failed is repeated. */
const RETRY_MS = 1_500;

/** The open requests of all Workers. The watch says that Workers wait; their requests are read once for each change. */
export class OpenRequests extends Source<Requests> {
  readonly #backend: Backend;
  readonly #workers: Workers;
  readonly #asked = new Map<string, Asked>();
  /** The requests that are closed, until it is known who answered them. Until then they stay in the list: no card vanishes. */
  readonly #closing = new Map<string, InboxItem>();
  /** The requests that this page answered. */
  readonly #own = new Set<string>();
  #answered: readonly InboxItem[] = [];
  #isComplete = false;

  constructor(backend: Backend, workers: Workers) {
    super();
    this.#backend = backend;
    this.#workers = workers;
    workers.subscribe(() => this.#follow());
  }

  /** Notes that this page answers a request, or that another answer was faster. */
  noteOwn(requestId: string, isOwn: boolean): void {
    if (isOwn) this.#own.add(requestId);
    else this.#own.delete(requestId);
  }

  /** True if this page answered a request. */
  isOwn(requestId: string): boolean {
    return this.#own.has(requestId);
  }

  protected override take(): Requests {
    const open = new Map(this.#closing);
    for (const { items } of this.#asked.values())
      for (const item of items) open.set(item.request.requestId, item);
    return {
      open: [...open.values()].toSorted((one, other) =>
        one.request.openedAt < other.request.openedAt ? -1 : 1,
      ),
      answered: this.#answered.filter(({ request }) => !open.has(request.requestId)),
      isComplete: this.#isComplete,
    };
  }

  #follow(): void {
    const waiting = new Map<string, string[]>();
    for (const { status, runtimeId, workerId, lastSeq } of this.#workers.get().items) {
      if (status !== 'waiting') continue;
      const known = waiting.get(runtimeId) ?? [];
      known.push(`${workerId}:${lastSeq}`);
      waiting.set(runtimeId, known);
    }
    for (const runtimeId of this.#asked.keys())
      if (this.#backend.find(runtimeId) === undefined) this.#asked.delete(runtimeId);
    for (const runtime of this.#backend.get().items) {
      const { runtimeId } = runtime;
      const asked = this.#asked.get(runtimeId) ?? { waiting: '', isReading: false, items: [] };
      this.#asked.set(runtimeId, asked);
      const now = (waiting.get(runtimeId) ?? []).join(' ');
      if (now === asked.waiting || asked.isReading) continue;
      asked.isReading = true;
      void this.#read(runtime, asked, now)
        .catch(async (error: unknown) => {
          if ((error as { readonly code?: string }).code === 'UNAUTHENTICATED') await seenAgain();
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
          asked.waiting = null;
        })
        .finally(() => {
          asked.isReading = false;
          this.#follow();
        });
    }
    const isRead = [...this.#asked.values()].every(
      ({ isReading, waiting }) => !isReading && waiting !== null,
    );
    const isComplete = this.#workers.get().isComplete && isRead;
    if (isComplete === this.#isComplete) return;
    this.#isComplete = isComplete;
    this.changed();
  }

  async #read(runtime: ConnectedRuntime, asked: Asked, waiting: string): Promise<void> {
    asked.waiting = waiting;
    const requests: WorkerRequest[] = [];
    if (waiting !== '')
      for (let after: Cursor | null = 'start'; after !== null; ) {
        const page: Awaited<ReturnType<typeof runtime.api.listOpenRequests>> =
          await runtime.api.listOpenRequests(after === 'start' ? {} : { after });
        requests.push(...page.items);
        after = page.next;
      }
    const closed = asked.items.filter(
      ({ request }) => !requests.some(({ requestId }) => requestId === request.requestId),
    );
    asked.items = requests.flatMap((request): readonly InboxItem[] => {
      const worker = this.#workers.find(runtime.runtimeId, request.workerId);
      return worker ? [{ worker, request, resolution: null }] : [];
    });
    for (const item of closed) {
      this.#closing.set(item.request.requestId, item);
      void this.#resolve(runtime, item);
    }
    this.changed();
  }

  /** Finds out who answered a request, and keeps it visible. */
  async #resolve(runtime: ConnectedRuntime, item: InboxItem): Promise<void> {
    const { requestId } = item.request;
    const resolution = await resolutionOf(runtime, item).catch(() => null);
    const answered: InboxItem = {
      ...item,
      resolution: resolution ?? {
        decision: null,
        by: 'unknown',
        actor: null,
        time: new Date().toISOString(),
      },
    };
    this.#closing.delete(requestId);
    const others = this.#answered.filter(({ request }) => request.requestId !== requestId);
    this.#answered = [answered, ...others].slice(0, ANSWERED_KEPT);
    this.changed();
  }
}

const resolutionOf = async (
  { api }: ConnectedRuntime,
  { worker, request }: InboxItem,
): Promise<Resolution | null> => {
  const { items } = await api.events(worker.workerId, {
    before: 'end',
    types: ['request.resolved'],
    limit: ANSWERS_BACK,
  });
  for (const { type, data, time } of items)
    if (type === 'request.resolved' && data.request === request.requestId)
      return { decision: data.decision, by: data.by, actor: data.actor ?? null, time };
  return null;
};
