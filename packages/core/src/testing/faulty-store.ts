import type { JsonValue } from '../contracts/json.ts';
import { type ErrorCode, RuntimeError } from '../contracts/runtime-error.ts';
import type {
  Batch,
  KeyEntry,
  LinePosition,
  LogHead,
  LogSlice,
  NewLog,
  OpenedStore,
  ReadLimits,
  RuntimeStore,
  Snapshot,
  StoredBundle,
  StoreHost,
} from '../contracts/store.ts';

/**
 * The failure of a call:
 * - `full`: STORE_FULL; the inner store is not called.
 * - `conflict`: STORE_CONFLICT; the inner store is not called.
 * - `unavailable-lost`: STORE_UNAVAILABLE, so the outcome is in doubt; the inner store is not called.
 * - `unavailable-done`: STORE_UNAVAILABLE, so the outcome is in doubt; the inner store has completed the call.
 */
export type StoreFault = 'full' | 'conflict' | 'unavailable-lost' | 'unavailable-done';

const CODES: Record<StoreFault, ErrorCode> = {
  full: 'STORE_FULL',
  conflict: 'STORE_CONFLICT',
  'unavailable-lost': 'STORE_UNAVAILABLE',
  'unavailable-done': 'STORE_UNAVAILABLE',
};

/** Every method of a store; true if it writes. */
const WRITES = {
  open: false,
  create: true,
  append: true,
  head: false,
  read: false,
  record: false,
  keys: false,
  trim: true,
  base: false,
  remove: true,
  putBlob: true,
  blob: false,
  blobs: false,
  putPluginState: true,
  pluginState: false,
  pluginStates: false,
  putBundle: true,
  bundle: false,
  bundles: false,
  close: false,
} as const satisfies Record<
  Exclude<keyof RuntimeStore, 'kind' | 'isDurable' | 'version' | 'metrics'>,
  boolean
>;

export type StoreMethod = keyof typeof WRITES;

/** One call that the store received. */
export interface StoreCall {
  readonly method: StoreMethod;
  /** The id of the log that the call names, or null. */
  readonly log: string | null;
  /** The batch of a `create` or an `append`, or null. */
  readonly batch: Batch | null;
  /** True for create, append, trim, remove, putBlob, putPluginState and putBundle. */
  readonly isWrite: boolean;
}

/** Selects the calls of a fault or a stall: those of one method, or those for which the function returns true. */
export type WhichCalls = StoreMethod | ((call: StoreCall) => boolean);

/** A set of calls that a test holds back. */
export interface Stall {
  /** Resolves when the first call is held. */
  readonly reached: Promise<void>;
  /** The number of calls that are held now. */
  readonly held: number;
  /**
   * Ends the stall. `done` runs the held calls now, in the order of their arrival. `lost` fails them with
   * STORE_UNAVAILABLE and never runs them. A second call does nothing.
   */
  release(outcome: 'done' | 'lost'): void;
}

type MatchCall = (call: StoreCall) => boolean;

/** One planned fault and its condition. A standing fault applies until `heal`, any other applies once. */
interface PlannedFault {
  readonly fault: StoreFault;
  readonly isStanding: boolean;
  readonly isDue: MatchCall;
}

const matcher = (which: WhichCalls): MatchCall =>
  typeof which === 'string' ? (call) => call.method === which : which;

class HeldCalls implements Stall {
  readonly holds: MatchCall;
  readonly reached: Promise<void>;
  readonly #waiting: ((outcome: 'done' | 'lost') => void)[] = [];
  readonly #onRelease: () => void;
  #markReached = (): void => {};

  constructor(holds: MatchCall, onRelease: () => void) {
    this.holds = holds;
    this.#onRelease = onRelease;
    this.reached = new Promise((resolve) => {
      this.#markReached = resolve;
    });
  }

  get held(): number {
    return this.#waiting.length;
  }

  wait(): Promise<'done' | 'lost'> {
    this.#markReached();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  release(outcome: 'done' | 'lost'): void {
    this.#onRelease();
    for (const resolve of this.#waiting.splice(0)) resolve(outcome);
  }
}

/**
 * A store that wraps another one and fails on demand. Each call takes the first planned fault that matches it. A call
 * that matches a fault and a stall is held first and fails when it is released. While a write is held, `head` of its
 * log waits, as the store contract requires.
 */
export class FaultyStore implements RuntimeStore {
  readonly #inner: RuntimeStore;
  readonly #stalls = new Set<HeldCalls>();
  /** The outcome of the last held write of each log. These promises never reject. */
  readonly #hanging = new Map<string, Promise<unknown>>();
  readonly #calls: StoreCall[] = [];
  #faults: PlannedFault[] = [];
  #writes = 0;
  #host: StoreHost | null = null;
  #loss: RuntimeError | null = null;

  constructor(inner: RuntimeStore) {
    this.#inner = inner;
  }

  get kind(): string {
    return this.#inner.kind;
  }

  get isDurable(): boolean {
    return this.#inner.isDurable;
  }

  get version(): number {
    return this.#inner.version;
  }

  /** All calls so far, including the failed ones, oldest first. */
  get calls(): readonly StoreCall[] {
    return this.#calls;
  }

  /** Makes the next matching call fail. Each further call of this method adds one more failure. */
  failNext(which: WhichCalls, fault: StoreFault): void {
    this.#faults.push({ fault, isStanding: false, isDue: matcher(which) });
  }

  /** Makes the `nth` write from now on fail; 1 is the next. A loop over `nth` fails a command at each of its writes. */
  failAt(nth: number, fault: StoreFault): void {
    const due = this.#writes + nth;
    this.#faults.push({ fault, isStanding: false, isDue: (call) => call.isWrite && this.#writes === due });
  }

  /** Makes every matching call fail until `heal`, as on a disk that stays full. */
  failWhile(which: WhichCalls, fault: StoreFault): void {
    this.#faults.push({ fault, isStanding: true, isDue: matcher(which) });
  }

  /** Holds every matching call until the stall is released. */
  stall(which: WhichCalls): Stall {
    const held = new HeldCalls(matcher(which), () => this.#stalls.delete(held));
    this.#stalls.add(held);
    return held;
  }

  /** Removes all planned faults and releases all stalls as `done`. */
  heal(): void {
    this.#faults = [];
    this.#releaseAll('done');
  }

  /**
   * Makes the store lost to its runtime, as if another process had taken it over: informs the host, and refuses every later
   * call but `close` with STORE_LOST. Calls in progress continue.
   */
  takeOver(): void {
    if (this.#loss) return;
    this.#loss = new RuntimeError('STORE_LOST', 'Another process has taken over the store');
    this.#host?.lost(this.#loss);
  }

  open(host: StoreHost): Promise<OpenedStore> {
    this.#host = host;
    return this.#call('open', null, null, () => this.#inner.open(host));
  }

  create(log: string, begin: NewLog, batch: Batch): Promise<void> {
    return this.#call('create', log, batch, () => this.#inner.create(log, begin, batch));
  }

  append(log: string, after: LogHead, batch: Batch): Promise<void> {
    return this.#call('append', log, batch, () => this.#inner.append(log, after, batch));
  }

  head(log: string): Promise<LogHead> {
    const hanging = this.#hanging.get(log);
    return this.#call('head', log, null, async () => {
      await hanging;
      return this.#inner.head(log);
    });
  }

  read(log: string, position: LinePosition, limits: ReadLimits): Promise<LogSlice> {
    return this.#call('read', log, null, () => this.#inner.read(log, position, limits));
  }

  record(log: string): Promise<JsonValue> {
    return this.#call('record', log, null, () => this.#inner.record(log));
  }

  keys(log: string): Promise<readonly KeyEntry[]> {
    return this.#call('keys', log, null, () => this.#inner.keys(log));
  }

  trim(log: string, base: Snapshot): Promise<void> {
    return this.#call('trim', log, null, () => this.#inner.trim(log, base));
  }

  base(log: string): Promise<Snapshot | null> {
    return this.#call('base', log, null, () => this.#inner.base(log));
  }

  remove(log: string): Promise<void> {
    return this.#call('remove', log, null, () => this.#inner.remove(log));
  }

  putBlob(log: string, name: string, body: Uint8Array): Promise<void> {
    return this.#call('putBlob', log, null, () => this.#inner.putBlob(log, name, body));
  }

  blob(log: string, name: string): Promise<Uint8Array | null> {
    return this.#call('blob', log, null, () => this.#inner.blob(log, name));
  }

  blobs(log: string): Promise<readonly string[]> {
    return this.#call('blobs', log, null, () => this.#inner.blobs(log));
  }

  putPluginState(name: string, body: Uint8Array): Promise<void> {
    return this.#call('putPluginState', null, null, () => this.#inner.putPluginState(name, body));
  }

  pluginState(name: string): Promise<Uint8Array | null> {
    return this.#call('pluginState', null, null, () => this.#inner.pluginState(name));
  }

  pluginStates(): Promise<readonly string[]> {
    return this.#call('pluginStates', null, null, () => this.#inner.pluginStates());
  }

  putBundle(bundle: StoredBundle): Promise<void> {
    return this.#call('putBundle', null, null, () => this.#inner.putBundle(bundle));
  }

  bundle(digest: string): Promise<Uint8Array | null> {
    return this.#call('bundle', null, null, () => this.#inner.bundle(digest));
  }

  bundles(): Promise<readonly string[]> {
    return this.#call('bundles', null, null, () => this.#inner.bundles());
  }

  /** Releases all stalls as `lost` and closes the inner store. A stalled `close` does so after its own release. */
  close(): Promise<void> {
    return this.#call('close', null, null, () => {
      this.#releaseAll('lost');
      return this.#inner.close();
    });
  }

  async #call<T>(
    method: StoreMethod,
    log: string | null,
    batch: Batch | null,
    act: () => Promise<T>,
  ): Promise<T> {
    const call = { method, log, batch, isWrite: WRITES[method] };
    this.#calls.push(call);
    if (call.isWrite) this.#writes += 1;
    if (this.#loss && method !== 'close') throw this.#loss;
    const fault = this.#takeFault(call);
    for (const stall of this.#stalls) {
      if (!stall.holds(call)) continue;
      const outcome = this.#hang(stall, () => this.#act(fault, act));
      // One entry per log is enough, because the runtime has at most one write per log in progress.
      if (log !== null && call.isWrite) this.#hanging.set(log, Promise.allSettled([outcome]));
      return outcome;
    }
    return this.#act(fault, act);
  }

  async #hang<T>(stall: HeldCalls, act: () => Promise<T>): Promise<T> {
    const released = await stall.wait();
    return this.#act(released === 'lost' ? 'unavailable-lost' : null, act);
  }

  async #act<T>(fault: StoreFault | null, act: () => Promise<T>): Promise<T> {
    if (fault === null) return act();
    if (fault === 'unavailable-done') await act();
    throw new RuntimeError(CODES[fault], undefined, { details: { fault } });
  }

  #takeFault(call: StoreCall): StoreFault | null {
    const due = this.#faults.find((planned) => planned.isDue(call));
    if (due && !due.isStanding) this.#faults = this.#faults.filter((planned) => planned !== due);
    return due?.fault ?? null;
  }

  #releaseAll(outcome: 'done' | 'lost'): void {
    for (const stall of this.#stalls) stall.release(outcome);
  }
}

/** Wraps `inner` in a store that fails, or holds calls, on demand. */
export const faultyStore = (inner: RuntimeStore): FaultyStore => new FaultyStore(inner);
