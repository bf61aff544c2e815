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
  StoredBundle,
  StoreHost,
} from '../contracts/store.ts';

/**
 * What goes wrong with a call:
 * - `full`: STORE_FULL, nothing was done.
 * - `conflict`: STORE_CONFLICT, nothing was done.
 * - `unavailable-lost`: STORE_UNAVAILABLE, in doubt; in truth nothing was done.
 * - `unavailable-done`: STORE_UNAVAILABLE, in doubt; in truth it was done.
 */
export type StoreFault = 'full' | 'conflict' | 'unavailable-lost' | 'unavailable-done';

const CODES: Record<StoreFault, ErrorCode> = {
  full: 'STORE_FULL',
  conflict: 'STORE_CONFLICT',
  'unavailable-lost': 'STORE_UNAVAILABLE',
  'unavailable-done': 'STORE_UNAVAILABLE',
};

/** Every method of a store, and whether it writes. */
const WRITES = {
  open: false,
  create: true,
  append: true,
  head: false,
  read: false,
  record: false,
  keys: false,
  remove: true,
  putBundle: true,
  bundle: false,
  bundles: false,
  close: false,
} as const satisfies Record<Exclude<keyof RuntimeStore, 'kind' | 'isDurable' | 'version'>, boolean>;

export type StoreMethod = keyof typeof WRITES;

/** One call, as it came in. */
export interface StoreCall {
  readonly method: StoreMethod;
  /** The log that it is about, if any. */
  readonly log: string | null;
  /** What `create` and `append` bring. */
  readonly batch: Batch | null;
  /** Whether it is a create, append, remove or putBundle. */
  readonly isWrite: boolean;
}

/** Which calls a fault or a stall is for: those of a method, or those that match. */
export type WhichCalls = StoreMethod | ((call: StoreCall) => boolean);

/** Calls that hang. */
export interface Stall {
  /** Resolves when the first call hangs. */
  readonly reached: Promise<void>;
  /** How many calls hang now. */
  readonly held: number;
  /**
   * Ends the stall. `done`: what hung happens now, in the order in which it came. `lost`: it never happens, and fails
   * with STORE_UNAVAILABLE. Again does nothing.
   */
  release(outcome: 'done' | 'lost'): void;
}

type MatchCall = (call: StoreCall) => boolean;

/** Where one fault is due. A standing one is not used up. */
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
  #tellReached = (): void => {};

  constructor(holds: MatchCall, onRelease: () => void) {
    this.holds = holds;
    this.#onRelease = onRelease;
    this.reached = new Promise((resolve) => {
      this.#tellReached = resolve;
    });
  }

  get held(): number {
    return this.#waiting.length;
  }

  wait(): Promise<'done' | 'lost'> {
    this.#tellReached();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  release(outcome: 'done' | 'lost'): void {
    this.#onRelease();
    for (const resolve of this.#waiting.splice(0)) resolve(outcome);
  }
}

/**
 * A store around another that fails where a test says. Faults are taken in the order in which they were planned; a
 * stall comes before all faults. A write that hangs makes `head` of its log wait, as the contract says of `head`.
 */
export class FaultyStore implements RuntimeStore {
  readonly #inner: RuntimeStore;
  readonly #stalls = new Set<HeldCalls>();
  /** The write of each log that hung last; these never reject. */
  readonly #hanging = new Map<string, Promise<unknown>>();
  readonly #calls: StoreCall[] = [];
  #faults: PlannedFault[] = [];
  #writes = 0;

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

  /** Every call so far, the failed ones too. */
  get calls(): readonly StoreCall[] {
    return this.#calls;
  }

  /** The next such call fails. Planned twice, the next two do. */
  failNext(which: WhichCalls, fault: StoreFault): void {
    this.#faults.push({ fault, isStanding: false, isDue: matcher(which) });
  }

  /** The `nth` write from now on (1 is the next) fails: a loop over `nth` fails a command at each of its steps. */
  failAt(nth: number, fault: StoreFault): void {
    const due = this.#writes + nth;
    this.#faults.push({ fault, isStanding: false, isDue: (call) => call.isWrite && this.#writes === due });
  }

  /** Every such call fails, until `heal`: a disk that is full stays full. */
  failWhile(which: WhichCalls, fault: StoreFault): void {
    this.#faults.push({ fault, isStanding: true, isDue: matcher(which) });
  }

  /** Every such call hangs, until the stall is released. */
  stall(which: WhichCalls): Stall {
    const held = new HeldCalls(matcher(which), () => this.#stalls.delete(held));
    this.#stalls.add(held);
    return held;
  }

  /** Forgets all faults, and lets what hangs happen. */
  heal(): void {
    this.#faults = [];
    this.#releaseAll('done');
  }

  open(host: StoreHost): Promise<OpenedStore> {
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

  remove(log: string): Promise<void> {
    return this.#call('remove', log, null, () => this.#inner.remove(log));
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

  /** Closes the inner store. What hangs is lost then, unless it is `close` that hangs. */
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
    const fault = this.#takeFault(call);
    for (const stall of this.#stalls) {
      if (!stall.holds(call)) continue;
      const outcome = this.#hang(stall, () => this.#act(fault, act));
      // One entry a log is enough: the runtime has at most one write a log on its way.
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

/** Puts a store that fails on demand around `inner`. */
export const faultyStore = (inner: RuntimeStore): FaultyStore => new FaultyStore(inner);
