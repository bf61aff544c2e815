import type { Limits } from '../contracts/limits.ts';
import type { ListWorkers, WorkerStatus } from '../contracts/runtime-api.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import { Claims } from '../domain/claims.ts';
import { Changes } from './changes.ts';
import { Keys } from './idempotency.ts';
import type { Worker } from './worker.ts';

export interface CreationKey {
  readonly hash: string;
  readonly digest: string;
  readonly workerId: string;
}

const MAX_DEPTH = 1_000;

const labelOf = ({ state: { labels } }: Worker, key: string): string | undefined =>
  Object.hasOwn(labels, key) ? labels[key] : undefined;

/** All Workers of a runtime: by id, in order of creation, in order of change; and what is unique across them. */
export class Workers {
  readonly changes: Changes;
  readonly claims: Claims;
  readonly creationKeys: Keys<CreationKey>;
  readonly counts: Record<WorkerStatus, number> = { idle: 0, running: 0, waiting: 0, stopped: 0 };
  readonly #byId = new Map<string, Worker>();
  /** Those that show, by log id: the ids are time-ordered, so this is the order of creation. */
  readonly #shown: Worker[] = [];
  readonly #limits: Limits;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.changes = new Changes(limits.removedWorkers);
    this.claims = new Claims((ancestor, worker) => this.#isAncestor(ancestor, worker));
    this.creationKeys = new Keys(limits.idempotencyKeys);
  }

  get total(): number {
    return this.#shown.length;
  }

  /** Every Worker, also those that do not show yet. */
  [Symbol.iterator](): IterableIterator<Worker> {
    return this.#byId.values();
  }

  /** @throws WORKER_NOT_FOUND also for one that does not show yet */
  get(workerId: string): Worker {
    const worker = this.#byId.get(workerId);
    if (!worker || worker.counted === null || worker.phase === 'deleted')
      throw new RuntimeError('WORKER_NOT_FOUND', undefined, { details: { workerId } });
    return worker;
  }

  has(workerId: string): boolean {
    return this.#byId.get(workerId)?.counted != null;
  }

  /** Whether nothing has this id, not even a Worker that does not show yet. */
  isFree(workerId: string): boolean {
    return !this.#byId.has(workerId);
  }

  /** Whether the Worker itself is here, not gone, nor another one by its id. */
  knows(worker: Worker): boolean {
    return this.#byId.get(worker.workerId) === worker;
  }

  /** Of those that show. */
  byLog(log: string): Worker | undefined {
    const worker = this.#shown[this.#indexAfter(log) - 1];
    return worker?.log === log ? worker : undefined;
  }

  /** Reserves id and place of a Worker that does not show yet. @throws WORKER_EXISTS · LIMIT_REACHED */
  reserve(worker: Worker): void {
    const { workerId } = worker;
    if (this.#byId.has(workerId))
      throw new RuntimeError('WORKER_EXISTS', undefined, { details: { workerId } });
    if (this.#byId.size >= this.#limits.workers) {
      throw new RuntimeError('LIMIT_REACHED', 'The runtime has as many Workers as it may', {
        details: { limit: 'workers', value: this.#limits.workers },
      });
    }
    this.#byId.set(workerId, worker);
  }

  /** Takes a Worker away: deleted, or never come to be. */
  forget(worker: Worker): void {
    const { workerId, log } = worker;
    if (!this.knows(worker)) return;
    this.#byId.delete(workerId);
    this.claims.forget(workerId);
    if (worker.counted === null) return;
    this.counts[worker.counted] -= 1;
    worker.counted = null;
    const at = this.#indexAfter(log) - 1;
    if (this.#shown[at] === worker) this.#shown.splice(at, 1);
    this.changes.remove(worker);
  }

  /** The state of a Worker has changed; the first time that it is alive, it shows. */
  changed(worker: Worker): void {
    const { status, phase } = worker;
    if (phase !== 'alive' || worker.isWithdrawn) return;
    if (status === 'stopped') this.claims.release(worker.workerId);
    if (worker.counted === null) this.#show(worker);
    else this.counts[worker.counted] -= 1;
    worker.counted = status;
    this.counts[status] += 1;
    this.changes.touch(worker);
  }

  /** In order of creation, after a log id. Costs what is looked at. */
  list(
    { status, labels, parent }: ListWorkers,
    after: string,
    limit: number,
  ): { readonly items: readonly Worker[]; readonly hasMore: boolean } {
    const wanted = Object.entries(labels ?? {});
    const items: Worker[] = [];
    for (let at = this.#indexAfter(after); at < this.#shown.length; at++) {
      const worker = this.#shown[at] as Worker;
      if (status !== undefined && worker.status !== status) continue;
      if (parent !== undefined && worker.state.parent !== parent) continue;
      if (wanted.some(([key, value]) => labelOf(worker, key) !== value)) continue;
      if (items.length === limit) return { items, hasMore: true };
      items.push(worker);
    }
    return { items, hasMore: false };
  }

  #show(worker: Worker): void {
    const { log } = worker;
    const last = this.#shown.at(-1);
    if (!last || last.log < log) this.#shown.push(worker);
    else this.#shown.splice(this.#indexAfter(log), 0, worker);
  }

  #indexAfter(log: string): number {
    let low = 0;
    let high = this.#shown.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#shown[middle] as Worker).log <= log) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #isAncestor(ancestor: string, workerId: string): boolean {
    let parent = this.#byId.get(workerId)?.state.parent ?? null;
    for (let depth = 0; parent !== null && depth < MAX_DEPTH; depth++) {
      if (parent === ancestor) return true;
      parent = this.#byId.get(parent)?.state.parent ?? null;
    }
    return false;
  }
}
