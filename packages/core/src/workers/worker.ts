import type { Claim } from '../contracts/claim.ts';
import type { JsonObject } from '../contracts/json.ts';
import type { Limits } from '../contracts/limits.ts';
import type { StopOutcome, WorkerStatus } from '../contracts/runtime-api.ts';
import type { NewLog, Snapshot } from '../contracts/store.ts';
import { Resting } from '../domain/snapshot.ts';
import type { WorkerState } from '../domain/state.ts';
import type { Execution } from '../execution/execution.ts';
import type { RunDriver } from '../execution/run-driver.ts';
import type { Stall } from '../execution/stalls.ts';
import type { Decision } from '../journal/turn.ts';
import { Tail } from '../log/tail.ts';
import type { Place } from './changes.ts';
import type { Keys } from './idempotency.ts';
import type { InFlight } from './in-flight.ts';

/** What a Worker has only while something happens to it; an idle one costs its record alone. */
export class Live {
  /** Decisions that wait for the turn in progress. */
  inbox: Decision[] = [];
  isTurning = false;
  /** The last append may or may not have happened: nothing more is decided until the store has said. */
  isInDoubt = false;
  readonly tail: Tail;
  /** Called, and forgotten, whenever there is something new to read. */
  readonly wakes = new Set<() => void>();
  execution: Execution | null = null;
  attaching: Promise<Execution> | null = null;
  /** Of the run that is on, also when its execution is gone already. */
  driver: RunDriver | null = null;
  stopping: Promise<StopOutcome> | null = null;
  /** Why the inputs that wait cannot be gone on with just now. */
  stall: Stall | null = null;
  inFlight: InFlight | null = null;
  keys: Promise<Keys> | null = null;
  activeAt = 0;
  /** Calls that need what is in here until they have ended. */
  holds = 0;

  constructor(limits: Limits) {
    this.tail = new Tail(limits.tailBytes);
  }

  /** Tells all who wait. They may wait again at once without being told twice. */
  wake(): void {
    if (this.wakes.size === 0) return;
    const wakes = [...this.wakes];
    this.wakes.clear();
    for (const wake of wakes) wake();
  }
}

/** One Worker in memory: the record that every Worker has, and its live part. */
export class Worker {
  #state: WorkerState | Resting;
  readonly isDamaged: boolean;
  /** Until the log exists: what it is to begin with. */
  begin: NewLog | null;
  live: Live | null = null;
  /** Its creation has failed: whatever its log may still take, it never shows. */
  isWithdrawn = false;
  /** In the order of change, once it shows. */
  place: Place | null = null;
  /** The status that it is counted under, once it shows. */
  counted: WorkerStatus | null = null;

  constructor(state: WorkerState | Resting, begin: NewLog | null, isDamaged = false) {
    this.#state = state;
    this.begin = begin;
    this.isDamaged = isDamaged;
  }

  get state(): WorkerState {
    if (this.#state instanceof Resting) this.#state = this.#state.read();
    return this.#state;
  }

  set state(state: WorkerState) {
    this.#state = state;
  }

  /** The snapshot that the state is still in; null once it was needed. */
  get resting(): Snapshot | null {
    return this.#state instanceof Resting ? this.#state.snapshot : null;
  }

  // what is known of one that rests as well

  get workerId(): string {
    return this.#state.workerId;
  }

  get log(): string {
    return this.#state.log;
  }

  get phase(): WorkerState['phase'] {
    return this.#state.phase;
  }

  get status(): WorkerStatus {
    return this.#state.status;
  }

  ensureLive(limits: Limits): Live {
    this.live ??= new Live(limits);
    return this.live;
  }
}

/** What the store keeps of a Worker that its log does not say, unchanged from creation on. */
export interface PrivateRecord {
  readonly version: 1;
  readonly config: JsonObject;
  /** With their resources. */
  readonly claims: readonly Claim[];
}
