import { type RuntimeClient, runtimeClient } from '@worker-runtime/client';
import type { Page, WorkerSummary } from '@worker-runtime/core';
import type { RuntimeEntry } from '@worker-runtime/core/plugin-kit';
import { inOrder } from '../parts/in-order.ts';
import { Link } from './link.ts';
import { seenAgain } from './seen-again.ts';
import { Source } from './source.ts';

/** One runtime of the server: its calls, and its connection. */
export interface ConnectedRuntime {
  readonly runtimeId: string;
  readonly name: string;
  /** The runtime as the server listed it last. */
  readonly entry: RuntimeEntry;
  readonly api: RuntimeClient;
  readonly link: Link;
}

export interface Runtimes {
  /** False until the server has listed them. */
  readonly isLoaded: boolean;
  readonly items: readonly ConnectedRuntime[];
  /** The runtimes whose id the server does not know yet. */
  readonly unknown: readonly RuntimeEntry[];
  /** True if the server wants to know who asks. */
  readonly needsLogin: boolean;
  /** True if the server has no workspace at the address of this page, or none for this person. */
  readonly isMissing: boolean;
  /** The reason for which the list could not be read, or null. */
  readonly failure: string | null;
}

/** The address of the server, with the prefix below which it serves these pages. */
export const serverUrl = new URL('.', document.baseURI).href;

const RETRY_MS = 1_500;

/** Streams retry for as long as the page is open. */
const PATIENCE_MS = 2_000_000_000;

/** Names a runtime for people: by its own name, or the one in the configuration of the server. */
const nameOf = ({ name, summary }: RuntimeEntry, runtimeId: string): string =>
  inOrder(summary?.displayName ?? (name === 'self' ? runtimeId : name));

/** Returns whether an answer is one of the runtime, or null for a stream, which begins before the runtime is reached. */
const isReached = ({ status, headers }: Response): boolean | null =>
  headers.get('content-type')?.startsWith('text/event-stream') ? null : status < 502;

/** @param mayAsk returns false while the server would refuse each request */
const connect = (entry: RuntimeEntry, runtimeId: string, mayAsk: () => boolean): ConnectedRuntime => {
  const observedFetch: typeof fetch = async (...args) => {
    try {
      const response = await fetch(...args);
      const reached = isReached(response);
      if (reached !== null) link.heard(reached);
      return response;
    } catch (error) {
      if (!(error instanceof DOMException && error.name === 'AbortError')) link.heard(false);
      throw error;
    }
  };
  const link = new Link(async (signal) => {
    if (!mayAsk()) return;
    const answer = await observedFetch(new URL(`v1/runtimes/${runtimeId}`, serverUrl), { signal });
    await answer.body?.cancel();
  });
  const api = runtimeClient({
    url: serverUrl,
    runtime: runtimeId,
    webSocket: link.webSocket,
    fetch: observedFetch,
    retryMaxMs: 2_000,
    patienceMs: PATIENCE_MS,
  });
  return { runtimeId, name: nameOf(entry, runtimeId), entry, api, link };
};

/** The runtimes behind the server that delivered this page, in the order of their names. */
export class Backend extends Source<Runtimes> {
  readonly #known = new Map<string, ConnectedRuntime>();
  #unknown: readonly RuntimeEntry[] = [];
  #needsLogin = false;
  #isMissing = false;
  #isLoaded = false;
  #failure: string | null = null;
  #reading: Promise<void> | null = null;
  #onListed: (connected: readonly ConnectedRuntime[]) => void = () => {};

  /**
   * Calls back at once with each list of runtimes. Readers of this source are notified before the next paint, and the first paint of a
   * page takes long: what only the network delays begins before it.
   */
  onListed(callback: (connected: readonly ConnectedRuntime[]) => void): void {
    this.#onListed = callback;
  }

  /** Reads the list of runtimes, again until the server answers. */
  refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  find(runtimeId: string): ConnectedRuntime | undefined {
    return this.#known.get(runtimeId);
  }

  protected override take(): Runtimes {
    return {
      isLoaded: this.#isLoaded,
      items: [...this.#known.values()],
      unknown: this.#unknown,
      needsLogin: this.#needsLogin,
      isMissing: this.#isMissing,
      failure: this.#failure,
    };
  }

  async #read(): Promise<void> {
    for (;;) {
      try {
        const response = await fetch(new URL('v1/runtimes', serverUrl), { cache: 'no-store' });
        this.#needsLogin = response.status === 401;
        this.#isMissing = response.status === 404;
        if (!response.ok) throw new Error(`The server answered with ${response.status}`);
        this.#list(((await response.json()) as Page<RuntimeEntry>).items);
        return;
      } catch (error) {
        this.#failure = error instanceof Error ? error.message : String(error);
        this.changed();
        if (this.#needsLogin || this.#isMissing) await seenAgain();
        else await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  #connect(entry: RuntimeEntry, runtimeId: string): ConnectedRuntime {
    const runtime = connect(entry, runtimeId, () => !this.#needsLogin);
    // only the server knows whether the runtime is away, or the way to it
    runtime.link.subscribe(() => void this.refresh());
    return runtime;
  }

  #list(entries: readonly RuntimeEntry[]): void {
    const before = new Map(this.#known);
    this.#known.clear();
    for (const entry of entries) {
      const { runtimeId } = entry;
      if (runtimeId === null) continue;
      const known = before.get(runtimeId) ?? this.#connect(entry, runtimeId);
      this.#known.set(runtimeId, { ...known, entry, name: nameOf(entry, runtimeId) });
    }
    for (const [runtimeId, { link }] of before) if (!this.#known.has(runtimeId)) link.close();
    this.#unknown = entries.filter(({ runtimeId }) => runtimeId === null);
    this.#isLoaded = true;
    this.#failure = null;
    this.#onListed([...this.#known.values()]);
    this.changed();
  }
}

/**
 * The number of Workers for which their list rests one millisecond between two drawings. A drawing reads all of them, so
 * the share of the processor that the list takes does not grow with it.
 */
const DRAWN_PER_MS = 20;
/** The rest of an incomplete list: a drawing of it delays the Workers that are still to come. */
const INCOMPLETE_REST_MS = 1_000;

export interface AllWorkers {
  readonly items: readonly WorkerSummary[];
  /** True if every runtime that is there has delivered its Workers once. */
  readonly isComplete: boolean;
}

interface Watched {
  workers: Map<string, WorkerSummary>;
  readonly stop: AbortController;
  isComplete: boolean;
}

/** The Workers of all runtimes, live, by one watch a runtime. */
export class Workers extends Source<AllWorkers> {
  readonly #backend: Backend;
  readonly #watched = new Map<string, Watched>();

  constructor(backend: Backend) {
    super();
    this.#backend = backend;
    backend.onListed((connected) => this.#follow(connected));
    // whether all Workers are there depends on which runtimes are
    backend.subscribe(() => this.changed());
  }

  find(runtimeId: string, workerId: string): WorkerSummary | undefined {
    return this.#watched.get(runtimeId)?.workers.get(workerId);
  }

  protected override take(): AllWorkers {
    const watched = [...this.#watched.values()];
    return {
      items: watched.flatMap(({ workers }) => [...workers.values()]),
      isComplete:
        this.#backend.get().isLoaded &&
        [...this.#watched].every(([runtimeId, { isComplete }]) => isComplete || this.#isAway(runtimeId)),
    };
  }

  /** True if the server cannot reach a runtime, so that no page waits for its Workers. */
  #isAway(runtimeId: string): boolean {
    return this.#backend.find(runtimeId)?.entry.state !== 'ok';
  }

  #follow(items: readonly ConnectedRuntime[]): void {
    for (const [runtimeId, { stop }] of this.#watched) {
      if (items.some((runtime) => runtime.runtimeId === runtimeId)) continue;
      stop.abort();
      this.#watched.delete(runtimeId);
    }
    for (const runtime of items) {
      if (this.#watched.has(runtime.runtimeId)) continue;
      const watched: Watched = { workers: new Map(), stop: new AbortController(), isComplete: false };
      this.#watched.set(runtime.runtimeId, watched);
      void this.#watch(runtime, watched);
    }
    this.changed();
  }

  async #watch({ api }: ConnectedRuntime, watched: Watched): Promise<void> {
    const { signal } = watched.stop;
    while (!signal.aborted) {
      let list: Map<string, WorkerSummary> | null = null;
      try {
        for await (const item of api.watch({ acrossRestarts: true, signal })) {
          if (list === null || item.type === 'reset') {
            // a complete list stays until the next one is complete: until then pages would take a Worker for a deleted one
            list = watched.isComplete ? new Map() : watched.workers;
            list.clear();
          }
          if (item.type === 'worker') list.set(item.worker.workerId, item.worker);
          else if (item.type === 'worker-removed') list.delete(item.workerId);
          else if (item.type === 'synced' && list !== watched.workers) {
            watched.workers = list;
            this.changed();
          } else if (item.type === 'synced' && !watched.isComplete) {
            watched.isComplete = true;
            this.changed();
          }
          if (list === watched.workers)
            this.changed(watched.isComplete ? watched.workers.size / DRAWN_PER_MS : INCOMPLETE_REST_MS);
        }
      } catch {
        // another runtime may answer at the address now, or none: the list of runtimes says which
        if (!signal.aborted) await this.#backend.refresh();
      }
      if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
