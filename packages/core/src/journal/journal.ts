import type { WorkerEvent } from '../contracts/event.ts';
import type { Limits } from '../contracts/limits.ts';
import { type ErrorCode, RuntimeError } from '../contracts/runtime-error.ts';
import type { RuntimeStore } from '../contracts/store.ts';
import { LATE, storeInTime } from '../in-time.ts';
import type { SteadyClock } from '../steady-clock.ts';
import { TimeLimit } from '../time-limit.ts';
import type { ByteSum } from '../workers/byte-sum.ts';
import type { Live } from '../workers/live.ts';
import type { Worker } from '../workers/worker.ts';
import { Attempt } from './attempt.ts';
import { type CommitQueue, commitQueueOf } from './commit-queue.ts';
import { LineWriter } from './line-writer.ts';
import type { Patience } from './patience.ts';
import { type Commit, type Decision, type Turn, type TurnContext, takeTurn, type Waiting } from './turn.ts';

/** Receives what the journal did. No method may throw. */
export interface JournalListener {
  /** Called after every commit, in `seq` order per Worker. */
  committed(worker: Worker, events: readonly WorkerEvent[]): void;
  /** Called when the outcome of an append is unknown. */
  inDoubt(worker: Worker, error: RuntimeError): void;
  /** Called when the store begins to refuse appends. */
  storeRefusing(error: RuntimeError): void;
  /** Called when the store accepts appends again. */
  storeAccepting(): void;
  /** Called when the store refuses an append with STORE_LOST. */
  storeLost(error: RuntimeError): void;
}

export interface JournalOptions {
  readonly store: RuntimeStore;
  readonly clock: SteadyClock;
  readonly limits: Limits;
  readonly listener: JournalListener;
  /** The size of the states of all Workers. */
  readonly states: ByteSum;
}

export interface CommitOptions {
  /** An idempotency key to store with the first event. */
  readonly key?: Decision['key'];
  /** Called right after the events are applied, before readers and plugins see them. */
  readonly applied?: (commit: Commit) => void;
  /**
   * Makes the commit wait for a store that is away, up to `storeOutageMs`. `decide` may then be called several times; the
   * events of its last call count. Without it, the caller is refused after `commitTimeoutMs`.
   */
  readonly patience?: Patience;
}

/** Errors that concern one log and say nothing about the store. */
const OF_ONE_LOG = new Set<ErrorCode>(['STORE_CONFLICT', 'WORKER_DAMAGED']);
const NOT_DONE = new Set<ErrorCode>([...OF_ONE_LOG, 'STORE_FULL', 'STORE_LOST']);
/** The delays between attempts to commit the same decision. */
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;

/** Errors of events that cannot be encoded, however often it is tried. */
export const CANNOT_BE_WRITTEN: ReadonlySet<ErrorCode> = new Set(['INTERNAL', 'OUTPUT_TOO_LARGE']);
/** Errors that no retry of a commit can change. */
const FINAL = new Set<ErrorCode>([...OF_ONE_LOG, ...CANNOT_BE_WRITTEN, 'WORKER_NOT_FOUND', 'STORE_LOST']);

/** The events of decisions, in order. */
const eventsOf = (decisions: readonly Decision[]): readonly WorkerEvent[] => {
  const [only] = decisions;
  return decisions.length === 1 && only?.commit
    ? only.commit.events
    : decisions.flatMap(({ commit }) => commit?.events ?? []);
};

/**
 * The one writer. Each event of each Worker is decided, numbered, encoded, appended, applied and published here. A
 * Worker's decisions are made in turns: decisions that arrive during an append wait, then all of them are decided
 * together, each on the state that the previous one leaves, and appended as one batch. Therefore sequence numbers have
 * no gaps, a failed append needs no rollback, and two simultaneous commands never see the same state.
 */
export class Journal {
  readonly #store: RuntimeStore;
  readonly #clock: SteadyClock;
  readonly #limits: Limits;
  readonly #listener: JournalListener;
  readonly #context: TurnContext;
  readonly #appends: TimeLimit;
  #pending = 0;
  #logsInDoubt = 0;
  #lastFailed = false;
  #isRefusing = false;
  #isClosed = false;
  #fence: RuntimeError | null = null;
  #timeMs = 0;
  #time = '';

  constructor({ store, clock, limits, listener, states }: JournalOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#limits = limits;
    this.#listener = listener;
    this.#context = { lines: new LineWriter(), now: this.#now, eventBytes: limits.eventBytes, states };
    this.#appends = new TimeLimit(clock, limits.commitTimeoutMs);
  }

  /** True if the store accepted the last batch and no log is in doubt. */
  get isHealthy(): boolean {
    return this.#logsInDoubt === 0 && !this.#lastFailed && this.#fence === null;
  }

  /** True while the outcome of the Worker's last append is unknown. */
  isInDoubt({ live }: Worker): boolean {
    return live !== null && commitQueueOf(live).isInDoubt;
  }

  /**
   * Decides in the Worker's turn and commits the resulting events. A decision without events writes nothing. On return
   * the events are durable, applied and published. Rejects as `decide` does; on rejection nothing was written. An
   * error that is no RuntimeError rejects as INTERNAL.
   * @throws INTERNAL · STORE_UNAVAILABLE · STORE_FULL · STORE_LOST · STORE_CONFLICT · WORKER_DAMAGED · OUTPUT_TOO_LARGE an
   * event over `eventBytes` · LIMIT_REACHED the states would exceed `totalStateBytes`
   */
  commit(worker: Worker, decide: Decision['decide'], options: CommitOptions = {}): Promise<Commit> {
    return new Promise((resolve, reject) => {
      const { key = null, applied = null, patience = null } = options;
      this.#submit(worker, {
        decide,
        key,
        applied,
        resolve,
        reject,
        patience,
        waiting: null,
        commit: null,
        isEnding: false,
      });
    });
  }

  #submit(worker: Worker, decision: Decision): void {
    if (this.#fence) {
      decision.reject(this.#fence);
      return;
    }
    const live = worker.ensureLive(this.#limits);
    const queue = commitQueueOf(live);
    if (worker.isDamaged) {
      const details = { workerId: worker.workerId };
      decision.reject(new RuntimeError('WORKER_DAMAGED', undefined, { details }));
    } else if (queue.isInDoubt || this.#pending >= this.#limits.pendingCommits) {
      const message = 'The store has not completed earlier writes; try again';
      this.#refuse(worker, decision, new RuntimeError('STORE_UNAVAILABLE', message));
    } else {
      this.#pending += 1;
      queue.add(decision);
      if (!queue.isTurning) this.#takeTurns(worker, live, queue);
    }
  }

  /**
   * Rejects a decision of which the store holds nothing, or makes it again after a pause: a decision with patience waits
   * for a store that is away. Its events were not stored, so none of them can be stored twice.
   */
  #refuse(worker: Worker, decision: Decision, error: RuntimeError): void {
    const { patience } = decision;
    const isAway = error.code === 'STORE_UNAVAILABLE' && !this.#isClosed;
    const waiting = patience && isAway ? this.#waitingOf(decision) : null;
    const restMs = waiting ? waiting.untilMs - this.#clock.steadyMs() : 0;
    if (!patience || !waiting || patience.isOver || restMs <= 0) {
      decision.reject(error);
      return;
    }
    const delayMs = Math.min(waiting.delayMs, restMs);
    waiting.delayMs = Math.min(waiting.delayMs * 2, LONGEST_DELAY_MS);
    patience.wait(this.#clock, delayMs, () => this.#submit(worker, decision));
  }

  /** The wait of a decision, which begins when its first attempt fails. */
  #waitingOf(decision: Decision): Waiting {
    const untilMs = this.#clock.steadyMs() + this.#limits.storeOutageMs;
    decision.waiting ??= { untilMs, delayMs: FIRST_DELAY_MS };
    return decision.waiting;
  }

  /**
   * Commits with retries, `FIRST_DELAY_MS` to `LONGEST_DELAY_MS` apart, until the commit succeeds, can never succeed, or the journal is closed.
   * Calls `failed` after each failed attempt. Never rejects; returns the last error if the commit did not succeed.
   */
  async persist(
    worker: Worker,
    decide: Decision['decide'],
    failed?: (error: RuntimeError) => void,
  ): Promise<RuntimeError | null> {
    for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS)) {
      try {
        await this.commit(worker, decide);
        return null;
      } catch (cause) {
        const error = RuntimeError.from(cause);
        failed?.(error);
        if (this.#isClosed || FINAL.has(error.code)) return error;
        await new Promise<void>((resolve) => this.#clock.after(delayMs, resolve));
      }
    }
  }

  /** Refuses every further commit, and those that wait for their turn, with this error. Appends in progress may still end. */
  fence(failure: RuntimeError): void {
    this.#fence ??= failure;
    this.#isClosed = true;
  }

  /** Ends all retries and waits. What is in doubt stays unknown until the next start reads the log. */
  close(): void {
    this.#isClosed = true;
    this.#appends.close();
  }

  /**
   * Takes turns until no decision waits or an append is in progress. Uses callbacks instead of promises, because this
   * runs for each event and each additional promise was measurable.
   */
  #takeTurns(worker: Worker, live: Live, queue: CommitQueue): void {
    queue.isTurning = true;
    for (let decisions = queue.take(); decisions; decisions = queue.take()) {
      if (this.#fence) {
        this.#pending -= decisions.length;
        for (const decision of decisions) decision.reject(this.#fence);
        continue;
      }
      const turn = takeTurn(worker.state, decisions, this.#context);
      this.#pending -= decisions.length - turn.accepted.length;
      if (turn.batch.count > 0) {
        this.#append(worker, live, queue, turn);
        return;
      }
      this.#end(worker, live, turn, null);
    }
    queue.isTurning = false;
  }

  #append(worker: Worker, live: Live, queue: CommitQueue, turn: Turn): void {
    queue.turn = turn;
    queue.attempt ??= new Attempt(
      this.#appends,
      () => new RuntimeError('STORE_UNAVAILABLE', LATE),
      () => this.#appended(worker, live, queue),
      (error) => void this.#failed(worker, live, queue, error),
    );
    queue.attempt.watch(this.#attempt(worker, turn));
  }

  #attempt({ begin, state: { log, head } }: Worker, { batch }: Turn): Promise<void> {
    try {
      return begin
        ? this.#store.create(log, begin, batch)
        : this.#store.append(log, { seq: head.seq, bytes: head.end }, batch);
    } catch (error) {
      // a store that throws breaks its contract, but a turn that never ended would block its Worker for good
      return Promise.reject(error);
    }
  }

  #reportRefusing(failure: RuntimeError): void {
    if (failure.code === 'STORE_LOST') this.#listener.storeLost(failure);
    if (this.#fence || this.#isRefusing || OF_ONE_LOG.has(failure.code)) return;
    this.#isRefusing = true;
    this.#listener.storeRefusing(failure);
  }

  #reportAccepting(): void {
    if (!this.#isRefusing || !this.isHealthy) return;
    this.#isRefusing = false;
    this.#listener.storeAccepting();
  }

  #appended(worker: Worker, live: Live, queue: CommitQueue): void {
    const turn = queue.turn as Turn;
    queue.turn = null;
    this.#lastFailed = false;
    this.#reportAccepting();
    worker.begin = null;
    this.#end(worker, live, turn, null);
    this.#takeTurns(worker, live, queue);
  }

  async #failed(worker: Worker, live: Live, queue: CommitQueue, error: unknown): Promise<void> {
    const turn = queue.turn as Turn;
    queue.turn = null;
    const failure = RuntimeError.from(error, 'STORE_UNAVAILABLE');
    this.#lastFailed = true;
    this.#reportRefusing(failure);
    const isNotDone = NOT_DONE.has(failure.code);
    const since = (queue.attempt as Attempt).sinceMs;
    const outcome = isNotDone ? failure : await this.#resolveDoubt(worker, queue, turn, failure, since);
    this.#end(worker, live, turn, outcome);
    this.#takeTurns(worker, live, queue);
  }

  /** Ends a turn: its events are durable, or `failure` says why nothing was written. */
  #end(worker: Worker, live: Live, turn: Turn, failure: RuntimeError | null): void {
    this.#pending -= turn.accepted.length;
    live.activeAt = this.#clock.steadyMs();
    if (failure === null) this.#apply(worker, live, turn);
    this.#context.states.add(-turn.reserved);
    if (failure !== null) this.#refuseAll(worker, live, turn, failure);
  }

  #refuseAll(worker: Worker, live: Live, turn: Turn, failure: RuntimeError): void {
    // a full store may still accept an end, if nothing else is in its batch
    const isMixed = failure.code === 'STORE_FULL' && turn.batch.isEssential !== true;
    const endings: Decision[] = [];
    for (const decision of turn.accepted) {
      if (isMixed && decision.isEnding) {
        this.#pending += 1;
        endings.push(decision);
      } else this.#refuse(worker, decision, failure);
    }
    if (endings.length > 0) commitQueueOf(live).endings = endings;
  }

  #apply(worker: Worker, live: Live, { accepted, state, batch }: Turn): void {
    if (batch.count > 0) {
      const { head } = worker.state;
      live.readers.tail.push(head.seq + 1, head.end, batch.count, batch.lines);
      worker.state = state;
    }
    for (const { commit, applied, resolve } of accepted) {
      if (!commit) continue;
      commit.state = worker.state;
      applied?.(commit);
      resolve(commit);
    }
    const committed = eventsOf(accepted);
    if (committed.length > 0) this.#listener.committed(worker, committed);
    live.readers.wake(committed);
  }

  /**
   * Finds out whether a failed append happened, by asking the store for the head of the log. Callers are rejected when
   * the rest of `commitTimeoutMs` has passed, or that of `storeOutageMs` for decisions with patience, and no further
   * decision is made until the store has answered. Events that were stored are applied, even if their caller was
   * rejected.
   */
  async #resolveDoubt(
    worker: Worker,
    queue: CommitQueue,
    turn: Turn,
    cause: RuntimeError,
    since: number,
  ): Promise<RuntimeError | null> {
    const failure = new RuntimeError('STORE_UNAVAILABLE', undefined, { cause });
    const restMs = Math.max(0, this.#limits.commitTimeoutMs - (this.#clock.steadyMs() - since));
    // the runtime has ended, and the outcome is known only to the next owner of the store
    if (this.#fence) return failure;
    queue.isInDoubt = true;
    this.#logsInDoubt += 1;
    this.#listener.inDoubt(worker, failure);
    const answer = this.#askHead(worker, turn.batch.count);
    const cancels: (() => void)[] = [];
    await storeInTime(this.#clock, restMs, answer).catch(() => {
      for (const decision of turn.accepted) {
        const { patience, reject } = decision;
        // not made again before the answer: its events may be stored
        if (patience) {
          const delayMs = Math.max(0, this.#waitingOf(decision).untilMs - this.#clock.steadyMs());
          cancels.push(patience.wait(this.#clock, delayMs, () => reject(failure)));
        } else reject(failure);
      }
      const waiting = queue.decisions ?? [];
      queue.decisions = null;
      for (const decision of waiting) {
        this.#pending -= 1;
        this.#refuse(worker, decision, failure);
      }
    });
    const outcome = await answer;
    for (const cancel of cancels) cancel();
    queue.isInDoubt = false;
    this.#logsInDoubt -= 1;
    this.#reportAccepting();
    if (outcome === 'done') worker.begin = null;
    return outcome === 'done' ? null : outcome === 'lost' ? failure : outcome;
  }

  async #askHead(worker: Worker, count: number): Promise<'done' | 'lost' | RuntimeError> {
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

  /** The current time, but never earlier than that of the previous event. */
  readonly #now = (last: string): string => {
    const now = this.#clock.now();
    if (now !== this.#timeMs) {
      this.#timeMs = now;
      this.#time = new Date(now).toISOString();
    }
    return this.#time < last ? last : this.#time;
  };
}
