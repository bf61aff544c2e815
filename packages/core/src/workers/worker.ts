import type { Claim } from '../contracts/claim.ts';
import type { JsonObject } from '../contracts/json.ts';
import type { Limits } from '../contracts/limits.ts';
import type { LogHead, NewLog, StoredLog } from '../contracts/store.ts';
import type { StoredSize, WorkerStatus } from '../contracts/worker.ts';
import type { Rest, Resting } from '../domain/snapshot.ts';
import type { WorkerState } from '../domain/state.ts';
import { totalBytesOf } from '../domain/stored-files.ts';
import type { Base } from '../log/base.ts';
import { Live } from './live.ts';
import { restingState } from './unused.ts';

/** The part of a Worker that it has in memory once its state was read. */
class Used {
  state: WorkerState;
  readonly isDamaged: boolean;
  begin: NewLog | null;
  live: Live | null = null;
  isCancelled = false;
  counted: WorkerStatus | null = null;
  /** The state whose size is part of the sums over all Workers; null while no state of the Worker is. */
  measured: WorkerState | null = null;
  /** The size of the text of its state, if that is part of the sums: until the Worker changes. */
  restingBytes = 0;
  /** The parts of the sums of stored bytes that are of this Worker. */
  eventBytes = 0;
  fileBytes = 0;

  constructor(state: WorkerState, begin: NewLog | null, isDamaged: boolean) {
    this.state = state;
    this.begin = begin;
    this.isDamaged = isDamaged;
  }
}

/**
 * One Worker in memory. Most Workers rest: a start has found nothing to do for them, and they were not used since. Such a Worker has no
 * more than this object and the one in which its store listed it. The first read of its state makes the rest.
 */
export class Worker {
  readonly workerId: string;
  #used: Used | null = null;
  /** The log of a resting Worker; null for any other one. */
  #stored: StoredLog | null = null;
  #status: Rest = 'idle';
  #chars = 0;
  #fileBytes = 0;
  #base: Base | null;
  /** The revision of its last change; null while the Worker is invisible. */
  revision: number | null = null;

  constructor(
    content: WorkerState | Resting,
    begin: NewLog | null,
    isDamaged = false,
    base: Base | null = null,
  ) {
    this.#base = base;
    if ('stored' in content) {
      this.workerId = content.stored.workerId;
      this.#stored = content.stored;
      this.#status = content.status;
      this.#chars = content.chars;
      this.#fileBytes = content.fileBytes;
    } else {
      this.workerId = content.workerId;
      this.#used = new Used(content, begin, isDamaged);
    }
  }

  /** The fold of the log. */
  get state(): WorkerState {
    return this.used.state;
  }

  set state(state: WorkerState) {
    this.used.state = state;
  }

  /** Returns the state, and lets a resting Worker rest: its state is read and not kept. */
  glimpse(): WorkerState {
    return this.#used ? this.#used.state : restingState(this.#stored as StoredLog);
  }

  /** The part that only a Worker that does not rest has. A resting Worker gets it, and ceases to rest. */
  get used(): Used {
    return this.#used ?? this.#use();
  }

  /** The log of a resting Worker, whose state was never read, as its store listed it; null for any other Worker. */
  get resting(): StoredLog | null {
    return this.#stored;
  }

  /** The length of the text that has the state of a resting Worker. */
  get restingChars(): number {
    return this.#chars;
  }

  // What follows can be read without reading the state of a resting Worker.

  get log(): string {
    return this.#used ? this.#used.state.log : (this.#stored as StoredLog).log;
  }

  get phase(): WorkerState['phase'] {
    return this.#used ? this.#used.state.phase : 'alive';
  }

  get status(): WorkerStatus {
    return this.#used ? this.#used.state.status : this.#status;
  }

  /** The status under which the Worker is counted; null while the Worker is invisible. */
  get counted(): WorkerStatus | null {
    if (this.#used) return this.#used.counted;
    return this.revision === null ? null : this.#status;
  }

  /** The position after its last event. */
  get head(): LogHead {
    if (!this.#used) return (this.#stored as StoredLog).head;
    const { seq, end } = this.#used.state.head;
    return { seq, bytes: end };
  }

  /** The beginning of the log, if its first events are in an archive. */
  get base(): Base | null {
    return this.#base;
  }

  set base(base: Base | null) {
    // the sums have the bytes of a resting Worker by its present base
    this.#used ??= this.#use();
    this.#base = base;
  }

  get isDamaged(): boolean {
    return this.#used?.isDamaged ?? false;
  }

  /** True once the creation failed: the Worker stays invisible, even if a late append succeeds. */
  get isCancelled(): boolean {
    return this.#used?.isCancelled ?? false;
  }

  set isCancelled(isCancelled: boolean) {
    this.used.isCancelled = isCancelled;
  }

  /** The content that a log which does not exist yet will begin with; null once the log exists. */
  get begin(): NewLog | null {
    return this.#used?.begin ?? null;
  }

  set begin(begin: NewLog | null) {
    this.used.begin = begin;
  }

  get live(): Live | null {
    return this.#used?.live ?? null;
  }

  set live(live: Live | null) {
    this.used.live = live;
  }

  /** The bytes of its events and files in the store. */
  get stored(): StoredSize {
    const begin = this.#base?.at.end ?? 0;
    if (!this.#used)
      return {
        eventBytes: (this.#stored as StoredLog).head.bytes - begin,
        fileBytes: this.#fileBytes,
      };
    const { head, files } = this.#used.state;
    return { eventBytes: head.end - begin, fileBytes: totalBytesOf(files) };
  }

  ensureLive(limits: Limits): Live {
    const { used } = this;
    used.live ??= new Live(limits);
    return used.live;
  }

  /** Reads the state of a resting Worker. The sums over all Workers have it as long as it rests. */
  #use(): Used {
    const used = new Used(restingState(this.#stored as StoredLog), null, false);
    used.counted = this.counted;
    if (used.counted !== null) Object.assign(used, { restingBytes: this.#chars, ...this.stored });
    this.#used = used;
    this.#stored = null;
    return used;
  }
}

/** The private data that a store keeps beside a log. It does not change after the creation. */
export interface PrivateRecord {
  readonly version: 1;
  readonly config: JsonObject;
  /** The claims with their resources. */
  readonly claims: readonly Claim[];
}
