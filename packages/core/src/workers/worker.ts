import type { Claim } from '../contracts/claim.ts';
import type { JsonObject } from '../contracts/json.ts';
import type { Limits } from '../contracts/limits.ts';
import type { StoredSize, WorkerStatus } from '../contracts/runtime-api.ts';
import type { NewLog } from '../contracts/store.ts';
import { Resting } from '../domain/snapshot.ts';
import type { WorkerState } from '../domain/state.ts';
import { totalBytesOf } from '../domain/stored-files.ts';
import type { Base } from '../log/base.ts';
import { Live } from './live.ts';

/** One Worker in memory: the state that every Worker has, and the live part of an active one. */
export class Worker {
  #state: WorkerState | Resting;
  readonly isDamaged: boolean;
  /** The content that a log which does not exist yet will begin with; null once the log exists. */
  begin: NewLog | null;
  live: Live | null = null;
  /** The beginning of the log, if its first events are in an archive. */
  base: Base | null = null;
  /** True once the creation failed: the Worker stays invisible, even if a late append succeeds. */
  isCancelled = false;
  /** The revision of its last change; null while the Worker is invisible. */
  revision: number | null = null;
  /** The status under which the Worker is counted; null while the Worker is invisible. */
  counted: WorkerStatus | null = null;
  /** The state whose size is part of the sums over all Workers; null while no state of the Worker is. */
  measured: WorkerState | null = null;
  /** The size of the unparsed state that is part of the sums; 0 once the Worker has changed. */
  restingBytes = 0;
  /** The parts of the sums of stored bytes that are of this Worker. */
  countedEventBytes = 0;
  countedFileBytes = 0;

  constructor(state: WorkerState | Resting, begin: NewLog | null, isDamaged = false) {
    this.#state = state;
    this.begin = begin;
    this.isDamaged = isDamaged;
  }

  /** The fold of the log. The first read of a resting Worker parses its snapshot. */
  get state(): WorkerState {
    if (this.#state instanceof Resting) this.#state = this.#state.read();
    return this.#state;
  }

  set state(state: WorkerState) {
    this.#state = state;
  }

  /** Returns the state, and lets a resting Worker rest: its snapshot is parsed and the result is not kept. */
  glimpse(): WorkerState {
    return this.#state instanceof Resting ? this.#state.read() : this.#state;
  }

  /** The unparsed state of a resting Worker, whose state was never read; null for any other Worker. */
  get resting(): Resting | null {
    return this.#state instanceof Resting ? this.#state : null;
  }

  // These can be read without parsing the snapshot of a resting Worker.

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

  /** The bytes of its events and files in the store. */
  get stored(): StoredSize {
    const state = this.#state;
    const begin = this.base?.at.end ?? 0;
    return state instanceof Resting
      ? { eventBytes: state.snapshot.head.bytes - begin, fileBytes: state.fileBytes }
      : { eventBytes: state.head.end - begin, fileBytes: totalBytesOf(state.files) };
  }

  ensureLive(limits: Limits): Live {
    this.live ??= new Live(limits);
    return this.live;
  }
}

/** The private data that a store keeps beside a log. It does not change after the creation. */
export interface PrivateRecord {
  readonly version: 1;
  readonly config: JsonObject;
  /** The claims with their resources. */
  readonly claims: readonly Claim[];
}
