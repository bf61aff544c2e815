import type { OpenRequest } from '../contracts/open-request.ts';
import { sizeOf } from '../domain/size.ts';
import type { Worker } from './worker.ts';

/** One open request of a Worker. */
interface Entry {
  readonly requestId: string;
  readonly worker: Worker;
  /** Null in the entry of a request that was resolved. */
  request: OpenRequest | null;
}

/** A page of open requests with their Workers. */
export interface OpenRequestsPage {
  readonly items: readonly { readonly worker: Worker; readonly request: OpenRequest }[];
  readonly hasMore: boolean;
}

/** Entries of resolved requests are dropped when there are more of them than others, and more than this. */
const STALE_ENTRIES = 64;

const NONE: readonly OpenRequest[] = [];

const byId = (a: Entry, b: Entry): number => (a.requestId < b.requestId ? -1 : 1);

/**
 * The open requests of all Workers, in the order of their ids, which is the order in which they were opened. A request that
 * opens or ends costs the logarithm of their number (amortized), and a page costs that and its own length.
 */
export class OpenRequests {
  #entries: Entry[] = [];
  #staleEntries = 0;
  /** False after Workers were loaded in another order than that of their requests. */
  #isSorted = true;

  /** The number of open requests. */
  get size(): number {
    return this.#entries.length - this.#staleEntries;
  }

  /** Replaces the requests of a Worker. States share what did not change, so the same object is the same request. */
  replace(worker: Worker, before: readonly OpenRequest[] = NONE, after: readonly OpenRequest[] = NONE): void {
    if (before === after) return;
    for (const request of before) if (!after.includes(request)) this.#remove(request);
    for (const request of after) if (!before.includes(request)) this.#add(worker, request);
  }

  /** Returns the requests after an id, at most `limit` and, after the first one, at most `bytes`. */
  list(after: string, limit: number, bytes: number): OpenRequestsPage {
    this.#sort();
    const items: { readonly worker: Worker; readonly request: OpenRequest }[] = [];
    let size = 0;
    for (let at = this.#indexAfter(after); at < this.#entries.length; at++) {
      const { worker, request } = this.#entries[at] as Entry;
      if (request === null) continue;
      size += sizeOf(request);
      if (items.length === limit || (items.length > 0 && size > bytes)) return { items, hasMore: true };
      items.push({ worker, request });
    }
    return { items, hasMore: false };
  }

  #add(worker: Worker, request: OpenRequest): void {
    const last = this.#entries.at(-1);
    if (last && last.requestId >= request.requestId) this.#isSorted = false;
    this.#entries.push({ requestId: request.requestId, worker, request });
  }

  #remove(request: OpenRequest): void {
    this.#sort();
    const entry = this.#entries[this.#indexAfter(request.requestId) - 1];
    if (entry?.request !== request) return;
    entry.request = null;
    this.#staleEntries += 1;
    if (this.#staleEntries <= Math.max(STALE_ENTRIES, this.#entries.length / 2)) return;
    this.#entries = this.#entries.filter((other) => other.request !== null);
    this.#staleEntries = 0;
  }

  #sort(): void {
    if (this.#isSorted) return;
    this.#entries.sort(byId);
    this.#isSorted = true;
  }

  #indexAfter(requestId: string): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#entries[middle] as Entry).requestId <= requestId) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
