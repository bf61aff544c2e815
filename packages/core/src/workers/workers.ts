import type { Limits } from '../contracts/limits.ts';
import { limitReached, RuntimeError } from '../contracts/runtime-error.ts';
import type { ListWorkers, StoredSize, WorkerStatus } from '../contracts/worker.ts';
import { Claims } from '../domain/claims.ts';
import { growthBetween } from '../domain/growth.ts';
import type { WorkerState } from '../domain/state.ts';
import { ByteSum } from './byte-sum.ts';
import { CacheTotal } from './cache-total.ts';
import { Changes } from './changes.ts';
import { Keys } from './idempotency.ts';
import { InFlightTotal } from './in-flight-total.ts';
import type { Live } from './live.ts';
import { LogKeys } from './log-keys.ts';
import { OpenRequests } from './open-requests.ts';
import { RecentSummaries } from './recent-summaries.ts';
import type { Worker } from './worker.ts';

export interface CreationKey {
  readonly hash: string;
  readonly digest: string;
  readonly workerId: string;
}

const MAX_DEPTH = 1_000;

const activeInputOf = (state: WorkerState | null): number => state?.run?.input?.bytes ?? 0;

const queuedInputsOf = (state: WorkerState | null): number =>
  state?.queue.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0;

const labelOf = ({ state: { labels } }: Worker, key: string): string | undefined =>
  Object.hasOwn(labels, key) ? labels[key] : undefined;

/**
 * All Workers of a runtime, by id, in order of creation and in order of change, with the claims, creation keys and open
 * requests of all of them, and the sums of what they hold in memory.
 */
export class Workers {
  readonly changes: Changes<Worker>;
  readonly claims: Claims;
  readonly creationKeys: Keys<CreationKey>;
  readonly requests = new OpenRequests();
  readonly summaries = new RecentSummaries();
  /** The inputs that are queued or whose run is active. */
  readonly openInputs: ByteSum;
  /** The part of `openInputs` whose run is active, which is the part in memory. */
  readonly activeInputs: ByteSum;
  /** The size of the states. */
  readonly states: ByteSum;
  /** The text that runs are streaming. */
  readonly inFlight: InFlightTotal;
  /** The last lines of live Workers. */
  readonly tails: CacheTotal<Live>;
  /** The idempotency keys of live Workers. */
  readonly keys: CacheTotal<Live>;
  readonly counts: Record<WorkerStatus, number> = { idle: 0, running: 0, waiting: 0, stopped: 0 };
  /** The bytes that the store keeps of all Workers. */
  readonly stored = { eventBytes: 0, fileBytes: 0 };
  readonly #byId = new Map<string, Worker>();
  /** The visible Workers, sorted by log id. Log ids are ordered by time, so this is the order of creation. */
  readonly #visible: Worker[] = [];
  readonly #limits: Limits;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.changes = new Changes(limits.removedWorkers);
    this.claims = new Claims((ancestor, worker) => this.#delegates(ancestor, worker));
    this.creationKeys = new Keys(limits.idempotencyKeys);
    this.openInputs = new ByteSum(
      'openInputBytes',
      limits,
      'The inputs of all Workers are too large together',
    );
    this.activeInputs = new ByteSum('openInputBytes', limits, 'The active inputs are too large together');
    this.states = new ByteSum('totalStateBytes', limits, 'The states of all Workers are too large together');
    this.inFlight = new InFlightTotal(limits);
    this.tails = new CacheTotal(limits.totalTailBytes, ({ readers }) => readers.tail.shrink());
    this.keys = new CacheTotal(limits.totalIdempotencyKeys, (live) => {
      const { keys } = live;
      if (keys instanceof LogKeys && !keys.isCondensed) {
        keys.condense();
        return keys.weight;
      }
      if (live.holds > 0) return null;
      live.keys = null;
      return 0;
    });
  }

  get total(): number {
    return this.#visible.length;
  }

  /** Iterates over all Workers, the invisible ones included. */
  [Symbol.iterator](): IterableIterator<Worker> {
    return this.#byId.values();
  }

  /** @throws WORKER_NOT_FOUND also for a Worker that is not visible yet */
  get(workerId: string): Worker {
    const worker = this.find(workerId);
    if (!worker) throw new RuntimeError('WORKER_NOT_FOUND', undefined, { details: { workerId } });
    return worker;
  }

  /** Returns a Worker; undefined if it does not exist or is not visible yet. */
  find(workerId: string): Worker | undefined {
    const worker = this.#byId.get(workerId);
    return worker && worker.counted !== null && worker.phase !== 'deleted' ? worker : undefined;
  }

  has(workerId: string): boolean {
    return this.#byId.get(workerId)?.counted != null;
  }

  /** True if no Worker has this id, visible or not. */
  isFree(workerId: string): boolean {
    return !this.#byId.has(workerId);
  }

  /** True if this very Worker is registered; false after it was removed, also if another Worker has its id now. */
  knows(worker: Worker): boolean {
    return this.#byId.get(worker.workerId) === worker;
  }

  /** The visible Worker that owns a log. */
  byLog(log: string): Worker | undefined {
    const worker = this.#visible[this.#indexAfter(log) - 1];
    return worker?.log === log ? worker : undefined;
  }

  /** Registers an invisible Worker, which reserves its id and counts towards the limit. @throws WORKER_EXISTS · LIMIT_REACHED */
  reserve(worker: Worker): void {
    const { workerId } = worker;
    if (this.#byId.has(workerId))
      throw new RuntimeError('WORKER_EXISTS', undefined, { details: { workerId } });
    if (this.#byId.size >= this.#limits.workers) {
      throw limitReached(
        'workers',
        this.#limits.workers,
        'The runtime has reached its maximum number of Workers',
      );
    }
    this.#byId.set(workerId, worker);
  }

  /** Removes a Worker that was deleted, or whose creation failed. */
  remove(worker: Worker): void {
    const { workerId, log } = worker;
    if (!this.knows(worker)) return;
    this.#byId.delete(workerId);
    this.summaries.forget(worker);
    this.claims.releaseDeleted(workerId);
    this.#measure(worker, null);
    this.#count(worker, { eventBytes: 0, fileBytes: 0 });
    this.#forgetCaches(worker);
    const { used } = worker;
    if (used.counted === null) return;
    this.counts[used.counted] -= 1;
    used.counted = null;
    const at = this.#indexAfter(log) - 1;
    if (this.#visible[at] === worker) this.#visible.splice(at, 1);
    this.changes.remove(worker);
  }

  /**
   * Registers a Worker that a start has loaded. To be called in order of creation. After an error the start fails.
   * @throws WORKER_EXISTS · LIMIT_REACHED
   */
  restore(worker: Worker): void {
    const { size } = this.#byId;
    // not searched before, because a search takes as long as the entry, and a start may have very many Workers
    if (size < this.#limits.workers) this.#byId.set(worker.workerId, worker);
    if (this.#byId.size === size) this.reserve(worker);
    if (worker.resting) this.#restoreResting(worker);
    else this.#update(worker, true);
  }

  /** Counts and shows a resting Worker, without reading its state. */
  #restoreResting(worker: Worker): void {
    const { eventBytes, fileBytes } = worker.stored;
    this.stored.eventBytes += eventBytes;
    this.stored.fileBytes += fileBytes;
    this.states.add(worker.restingChars);
    this.counts[worker.status] += 1;
    this.#visible.push(worker);
    this.changes.touch(worker);
  }

  /** Updates sums, counts, claims and the order of changes after a commit. A Worker becomes visible when it is first alive. */
  changed(worker: Worker): void {
    this.#update(worker, this.knows(worker));
  }

  #update(worker: Worker, isKnown: boolean): void {
    const { used, status, phase } = worker;
    if (isKnown) {
      this.#count(worker, worker.stored);
      this.#measure(worker, worker.state);
      if (worker.live) this.tails.used(worker.live, worker.live.readers.tail.bytes);
    }
    if (phase !== 'alive' || worker.isCancelled) return;
    if (status === 'stopped') this.claims.release(worker.workerId);
    if (used.counted === null) this.#show(worker);
    else this.counts[used.counted] -= 1;
    used.counted = status;
    this.counts[status] += 1;
    this.changes.touch(worker);
  }

  /** Releases the live state of a Worker that needs none. A Worker with an attached engine loses its tail and keys only. */
  unload(worker: Worker): void {
    const { live } = worker;
    if (!live) return;
    this.#forgetCaches(worker);
    if (!live.execution?.isConnected) worker.live = null;
    else if (worker.state.run === null) {
      live.readers.tail.clear();
      live.keys = null;
    }
  }

  /** Lists Workers in order of creation, after a log id. Costs the number of Workers that are looked at. */
  list(
    { status, labels, parent }: ListWorkers,
    after: string,
    limit: number,
  ): { readonly items: readonly Worker[]; readonly hasMore: boolean } {
    const wanted = Object.entries(labels ?? {});
    const items: Worker[] = [];
    for (let at = this.#indexAfter(after); at < this.#visible.length; at++) {
      const worker = this.#visible[at] as Worker;
      if (status !== undefined && worker.status !== status) continue;
      if (parent !== undefined && worker.state.parent !== parent) continue;
      if (wanted.some(([key, value]) => labelOf(worker, key) !== value)) continue;
      if (items.length === limit) return { items, hasMore: true };
      items.push(worker);
    }
    return { items, hasMore: false };
  }

  /** Replaces the part of the stored bytes that a Worker has. */
  #count({ used }: Worker, { eventBytes, fileBytes }: StoredSize): void {
    this.stored.eventBytes += eventBytes - used.eventBytes;
    this.stored.fileBytes += fileBytes - used.fileBytes;
    used.eventBytes = eventBytes;
    used.fileBytes = fileBytes;
  }

  /** Replaces the part of the sums that a Worker has. */
  #measure(worker: Worker, after: WorkerState | null): void {
    const { used } = worker;
    const { measured: before } = used;
    used.measured = after;
    const active = activeInputOf(after) - activeInputOf(before);
    const queued = before?.queue === after?.queue ? 0 : queuedInputsOf(after) - queuedInputsOf(before);
    this.activeInputs.add(active);
    this.openInputs.add(active + queued);
    this.states.add(growthBetween(before, after) - used.restingBytes);
    used.restingBytes = 0;
    this.requests.replace(worker, before?.requests, after?.requests);
  }

  #forgetCaches({ live }: Worker): void {
    if (!live) return;
    this.tails.forget(live);
    this.keys.forget(live);
  }

  #show(worker: Worker): void {
    const { log } = worker;
    const last = this.#visible.at(-1);
    if (!last || last.log < log) this.#visible.push(worker);
    else this.#visible.splice(this.#indexAfter(log), 0, worker);
  }

  #indexAfter(log: string): number {
    let low = 0;
    let high = this.#visible.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#visible[middle] as Worker).log <= log) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** True if each Worker between the two was created by the engine of its parent. */
  #delegates(ancestor: string, workerId: string): boolean {
    let child = this.#byId.get(workerId);
    for (let depth = 0; child && depth < MAX_DEPTH; depth++) {
      const { parent: id, delegatedBy }: Worker['state'] = child.state;
      const parent = id === null ? undefined : this.#byId.get(id);
      // a Worker that has the id of a deleted parent is another one; logs of earlier versions name no delegator
      if (!parent || (delegatedBy !== undefined && delegatedBy !== parent.log)) return false;
      if (id === ancestor) return true;
      child = parent;
    }
    return false;
  }
}
