import type { Clock } from '../contracts/clock.ts';
import type { WorkerEvent } from '../contracts/event.ts';
import type { Limits } from '../contracts/limits.ts';
import { type ErrorCode, RuntimeError } from '../contracts/runtime-error.ts';
import type { RuntimeStore } from '../contracts/store.ts';
import { LATE, storeInTime } from '../in-time.ts';
import type { Live, Worker } from '../workers/worker.ts';
import { TimeLimit } from './time-limit.ts';
import { type Commit, type Decision, type Turn, takeTurn } from './turn.ts';

export interface JournalOptions {
  readonly store: RuntimeStore;
  readonly clock: Clock;
  readonly limits: Limits;
  /** Told after every commit, in `seq` order per Worker. Must not throw. */
  readonly told: (worker: Worker, events: readonly WorkerEvent[]) => void;
  /** Told when a Worker's log is in doubt, and when the store has said what it holds. */
  readonly doubted: (worker: Worker, error: unknown) => void;
  /** Told why the store refuses when it begins to, and null when it takes commits again. */
  readonly refused: (failure: RuntimeError | null) => void;
}

/** What is wrong with one log says nothing of the store. */
const OF_ONE_LOG = new Set<ErrorCode>(['STORE_CONFLICT', 'WORKER_DAMAGED']);
const NOT_DONE = new Set<ErrorCode>([...OF_ONE_LOG, 'STORE_FULL']);

/**
 * The one writer. Every fact of every Worker goes through here: decided, numbered, encoded once, appended, applied,
 * told. A Worker's decisions are made in turns: while an append of it is on its way the next ones wait, then all of
 * them are decided together, each on the state that the one before it leaves, and appended as one batch. So numbers
 * have no gaps, a failed append has nothing to undo, and two commands at once never see the same state.
 */
export class Journal {
  readonly #store: RuntimeStore;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #appends: TimeLimit;
  readonly #told: JournalOptions['told'];
  readonly #doubted: JournalOptions['doubted'];
  readonly #refused: JournalOptions['refused'];
  #pending = 0;
  #doubts = 0;
  #lastFailed = false;
  #isRefusing = false;
  #isClosed = false;
  #timeMs = 0;
  #time = '';

  constructor({ store, clock, limits, told, doubted, refused }: JournalOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#limits = limits;
    this.#appends = new TimeLimit(
      clock,
      limits.commitTimeoutMs,
      () => new RuntimeError('STORE_UNAVAILABLE', LATE),
    );
    this.#told = told;
    this.#doubted = doubted;
    this.#refused = refused;
  }

  /** Whether the store took the last batch and no log is in doubt. */
  get isHealthy(): boolean {
    return this.#doubts === 0 && !this.#lastFailed;
  }

  /**
   * Decides in the Worker's turn and commits what was decided; no events, no write. On return the events are
   * durable, applied and told. Fails as `decide` does, or without anything having happened:
   * @throws STORE_UNAVAILABLE · STORE_FULL · STORE_CONFLICT · WORKER_DAMAGED · OUTPUT_TOO_LARGE an event over `eventBytes`
   */
  commit(
    worker: Worker,
    decide: Decision['decide'],
    options: { readonly key?: Decision['key']; readonly applied?: (commit: Commit) => void } = {},
  ): Promise<Commit> {
    const live = worker.ensureLive(this.#limits);
    if (worker.isDamaged)
      return Promise.reject(
        new RuntimeError('WORKER_DAMAGED', undefined, { details: { workerId: worker.workerId } }),
      );
    if (live.isInDoubt || this.#pending >= this.#limits.pendingCommits) {
      return Promise.reject(new RuntimeError('STORE_UNAVAILABLE', 'The store is behind; try again'));
    }
    return new Promise((resolve, reject) => {
      this.#pending += 1;
      live.inbox.push({
        decide,
        key: options.key ?? null,
        applied: options.applied ?? null,
        resolve,
        reject,
      });
      if (!live.isTurning) this.#takeTurns(worker, live);
    });
  }

  /** Ends the waiting for stores that do not answer: what is in doubt then stays unknown until the next start. */
  close(): void {
    this.#isClosed = true;
    this.#appends.close();
  }

  /**
   * Takes turns until nothing waits or the store has to be waited for. Callbacks rather than promises: this is run
   * for every event, and each promise in between was measurable.
   */
  #takeTurns(worker: Worker, live: Live): void {
    live.isTurning = true;
    while (live.inbox.length > 0) {
      const decisions = live.inbox;
      live.inbox = [];
      const turn = takeTurn(worker.state, decisions, this.#now, this.#limits.eventBytes);
      this.#pending -= decisions.length - turn.accepted.length;
      if (turn.batch.count > 0) {
        this.#append(worker, live, turn);
        return;
      }
      this.#end(worker, live, turn, null);
    }
    live.isTurning = false;
  }

  #append(worker: Worker, live: Live, turn: Turn): void {
    const since = this.#clock.now();
    this.#appends.watch(
      this.#attempt(worker, turn),
      () => {
        this.#lastFailed = false;
        this.#takesAgain();
        worker.begin = null;
        this.#end(worker, live, turn, null);
        this.#takeTurns(worker, live);
      },
      (error) => {
        const failure = RuntimeError.from(error, 'STORE_UNAVAILABLE');
        this.#lastFailed = true;
        this.#refuses(failure);
        void this.#failed(worker, live, turn, failure, since);
      },
    );
  }

  #attempt({ begin, state: { log, head } }: Worker, { batch }: Turn): Promise<void> {
    try {
      return begin
        ? this.#store.create(log, begin, batch)
        : this.#store.append(log, { seq: head.seq, bytes: head.end }, batch);
    } catch (error) {
      // against the contract, but a turn that never ended would hold its Worker for ever
      return Promise.reject(error);
    }
  }

  #refuses(failure: RuntimeError): void {
    if (this.#isRefusing || OF_ONE_LOG.has(failure.code)) return;
    this.#isRefusing = true;
    this.#refused(failure);
  }

  #takesAgain(): void {
    if (!this.#isRefusing || !this.isHealthy) return;
    this.#isRefusing = false;
    this.#refused(null);
  }

  async #failed(worker: Worker, live: Live, turn: Turn, failure: RuntimeError, since: number): Promise<void> {
    const isNotDone = NOT_DONE.has(failure.code);
    const outcome = isNotDone ? failure : await this.#settle(worker, live, turn, failure, since);
    this.#end(worker, live, turn, outcome);
    this.#takeTurns(worker, live);
  }

  /** The turn is over: its events are durable, or `failure` says why nothing happened. */
  #end(worker: Worker, live: Live, turn: Turn, failure: RuntimeError | null): void {
    this.#pending -= turn.accepted.length;
    live.activeAt = this.#clock.now();
    if (failure === null) this.#apply(worker, live, turn);
    else for (const { decision } of turn.accepted) decision.reject(failure);
  }

  #apply(worker: Worker, live: Live, { accepted, state, batch }: Turn): void {
    if (batch.count > 0) {
      const { head } = worker.state;
      live.tail.push({ seq: head.seq + 1, offset: head.end }, batch.count, batch.lines);
      worker.state = state;
    }
    const told: WorkerEvent[] = [];
    for (const { decision, before, events } of accepted) {
      const commit = { before, events, state: worker.state };
      decision.applied?.(commit);
      decision.resolve(commit);
      for (const event of events) told.push(event);
    }
    if (told.length > 0) this.#told(worker, told);
    live.wake();
  }

  /**
   * The attempt may have happened. The store is asked what the log holds; those who wait are refused when the rest of
   * `commitTimeoutMs` is over, and nothing more is decided until the store has answered. What turns out to have
   * happened is adopted, also where its caller was refused.
   */
  async #settle(
    worker: Worker,
    live: Live,
    turn: Turn,
    cause: RuntimeError,
    since: number,
  ): Promise<RuntimeError | null> {
    const failure = new RuntimeError('STORE_UNAVAILABLE', undefined, { cause });
    const restMs = Math.max(0, this.#limits.commitTimeoutMs - (this.#clock.now() - since));
    live.isInDoubt = true;
    this.#doubts += 1;
    this.#doubted(worker, failure);
    const answer = this.#ask(worker, turn.batch.count);
    await storeInTime(this.#clock, restMs, answer).catch(() => {
      for (const { decision } of turn.accepted) decision.reject(failure);
      for (const decision of live.inbox.splice(0)) {
        this.#pending -= 1;
        decision.reject(failure);
      }
    });
    const outcome = await answer;
    live.isInDoubt = false;
    this.#doubts -= 1;
    this.#takesAgain();
    if (outcome === 'done') worker.begin = null;
    return outcome === 'done' ? null : outcome === 'lost' ? failure : outcome;
  }

  async #ask(worker: Worker, count: number): Promise<'done' | 'lost' | RuntimeError> {
    const { log, head } = worker.state;
    for (let delayMs = 50; ; delayMs = Math.min(delayMs * 2, 5_000)) {
      try {
        const found = await this.#store.head(log);
        if (found.seq === head.seq) return 'lost';
        if (found.seq === head.seq + count) return 'done';
        return new RuntimeError('STORE_CONFLICT', undefined, { details: { workerId: worker.workerId } });
      } catch (error) {
        if (error instanceof RuntimeError && error.code === 'WORKER_NOT_FOUND' && worker.begin) return 'lost';
        if (this.#isClosed) return 'lost';
        await new Promise<void>((resolve) => this.#clock.after(delayMs, resolve));
      }
    }
  }

  /** Now, but never before the event before it. */
  readonly #now = (last: string): string => {
    const now = this.#clock.now();
    if (now !== this.#timeMs) {
      this.#timeMs = now;
      this.#time = new Date(now).toISOString();
    }
    return this.#time < last ? last : this.#time;
  };
}
