import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../contracts/clock.ts';
import type { Answer, EngineOutput, EngineSession, Question, Run, RunInput } from '../contracts/engine.ts';
import type { EventData, NewEvent, RunOutcome } from '../contracts/event.ts';
import type { JsonValue } from '../contracts/json.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { Report } from '../diagnostics.ts';
import { detachExecution, finishRun, type Remark, type RunEnd } from '../domain/decide.ts';
import type { CurrentRun, PendingInput, WorkerState } from '../domain/state.ts';
import { CANNOT_BE_WRITTEN } from '../journal/journal.ts';
import { Patience } from '../journal/patience.ts';
import { Timed, type TimeLimit } from '../time-limit.ts';
import { handled } from './handled.ts';
import { OutputRecorder, type RecorderHost } from './output-recorder.ts';
import { askedEnd, type CancelReason, failedEnd, isBounded, lastResort, textLost } from './run-end.ts';
import { RunHandle } from './run-handle.ts';
import { RunRequests } from './run-requests.ts';

/** The part of an execution that a run driver uses. */
export interface RunHost extends RecorderHost {
  readonly services: RecorderHost['services'] & {
    readonly clock: Clock;
    readonly runTimes: TimeLimit;
    readonly report: (report: Report) => void;
  };
  /** @throws as `RunInputReader.read` */
  readInput(input: PendingInput): Promise<RunInput>;
  /** Commits with retries. Never rejects; see `Journal.persist`. */
  persist(
    decide: (state: WorkerState) => readonly NewEvent[],
    failed?: (error: RuntimeError) => void,
  ): Promise<RuntimeError | null>;
  /** True if the engine declares that its runs may wait for requests. */
  allowsRequests(): boolean;
  /** True if a queued input may start as soon as the run has ended. */
  startsNext(): boolean;
  /** Detaches the execution if the run, which was asked to end, has not ended within `stopDeadlineMs`. */
  detachAtDeadline(driver: RunDriver): void;
  /** Called when the run and its engine have ended: an idle execution keeps nothing of its last run. */
  release(driver: RunDriver): void;
}

const beginsStep = (output: EngineOutput | readonly EngineOutput[]): boolean =>
  (Array.isArray(output) ? output[0] : output)?.type === 'step-start';

const FENCED = Symbol('fenced');

/** After this many outputs the driver yields to timers and sockets, so that a flooding engine cannot block the process. */
const OUTPUTS_PER_YIELD = 8;

/** Drives one run: pulls the engine's outputs, records them one by one, and ends the run whether or not the engine cooperates. */
export class RunDriver {
  readonly runId: string;
  /** Resolves when the engine's generator has ended, however late. Never rejects. */
  readonly settled: Promise<void>;
  readonly #session: EngineSession;
  readonly #host: RunHost;
  readonly #current: CurrentRun;
  /** The input, if the run did not have to read it from the log. */
  readonly #given: RunInput | null;
  readonly #recorder: OutputRecorder;
  /** Outputs wait for a store that is away, until the run is asked to end. */
  readonly #patience = new Patience();
  /** Created on first use, because most runs ask nothing. */
  #requests: RunRequests | null = null;
  #controller: AbortController | null = null;
  #reason: CancelReason | null = null;
  #remark: Remark = {};
  #resolveFenced: () => void = () => {};
  /** Ends the pause before the next attempt to read the input. */
  #endPause: () => void = () => {};
  #isFenced = false;
  readonly #timed = new Timed(() => {
    this.cancel('deadline');
    this.#host.detachAtDeadline(this);
  });
  #outputs = 0;
  #waiters: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];
  #outcome: RunOutcome | null = null;
  /** The reason why the end of the run can never be committed; null while it can. */
  #refusal: RuntimeError | null = null;
  #failure: unknown = null;
  /** Resolves the pause that was asked for; null if none was. */
  #paused: (() => void) | null = null;
  #retry: (() => void) | null = null;

  /** Without `input`, the driver reads the input of the run from the log. */
  constructor(current: CurrentRun, input: RunInput | null, session: EngineSession, host: RunHost) {
    this.runId = current.runId;
    this.#current = current;
    this.#given = input;
    this.#session = session;
    this.#host = host;
    this.#recorder = new OutputRecorder(current, host, this.#patience);
    if (host.worker.state.requests.length > 0 || current.answers) this.#useRequests();
    let settle: () => void = () => {};
    this.settled = new Promise((resolve) => {
      settle = resolve;
    });
    void this.#drive(settle);
  }

  /** Asks the run to end: aborts its signal and answers its open requests. */
  cancel(reason: CancelReason, remark: Remark = {}): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.#remark = remark;
    this.#patience.end();
    this.#controller?.abort(reason);
    this.#endPause();
    this.#requests?.cancel(this.#endedBy);
  }

  /**
   * Refuses all further output of the engine, and answers its open requests, because no later answer can reach it. Does
   * not end the run.
   */
  fence(): void {
    this.#isFenced = true;
    this.#host.services.runTimes.remove(this.#timed);
    this.#recorder.close();
    this.#patience.end();
    this.#resolveFenced();
    this.#endPause();
    this.#requests?.fence(this.#endedBy);
  }

  /** Fences the engine, and rejects the callers that wait for the end of the run, because the journal refuses every commit. */
  endUnrecorded(refusal: RuntimeError): void {
    this.#refusal = refusal;
    this.cancel('shutdown');
    this.fence();
    for (const { reject } of this.#waiters.splice(0)) reject(refusal);
  }

  /**
   * Lets the run proceed to a point from which another execution can continue it without repeating work: the beginning of the
   * next step, or a wait for people alone. Resolves there, with the engine fenced, or when the run has ended.
   */
  pauseAtStep(): Promise<void> {
    return new Promise((resolve) => {
      this.#paused = resolve;
      this.#pauseIfWaiting();
    });
  }

  /** Fences the engine and leaves the run to another execution. Callers that wait for its end receive the error. */
  leave(refusal: RuntimeError): void {
    this.#abandon();
    for (const { reject } of this.#waiters.splice(0)) reject(refusal);
  }

  /** Fences an engine that missed its deadline, and ends the run together with the execution. */
  endDetached(): void {
    this.fence();
    void this.#persist(this.#endOf(), (state, end) => detachExecution(state, end, 'deadline'));
  }

  /** The text that no message has completed, for a caller that ends the run in place of the driver. */
  leftover(state: WorkerState, end: RunEnd): readonly NewEvent[] {
    return this.#recorder.leftover(state, end) ?? [];
  }

  /** The outcome of the run, once its end is committed. */
  get outcome(): RunOutcome | null {
    return this.#outcome;
  }

  /** Resolves when the end of the run is committed. Rejects when an attempt to commit it failed; attempts continue. */
  finished(): Promise<void> {
    if (this.#outcome !== null) return Promise.resolve();
    if (this.#refusal !== null) return Promise.reject(this.#refusal);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      const retry = this.#retry;
      this.#retry = null;
      retry?.();
    });
  }

  /** Called when the end of the run is committed, by this driver or another caller. */
  ended(outcome: RunOutcome): void {
    this.#outcome = outcome;
    this.#paused?.();
    this.#recorder.end();
    for (const { resolve } of this.#waiters.splice(0)) resolve();
  }

  /** Called when a request of this run is resolved. */
  answered(data: EventData['request.resolved']): void {
    this.#requests?.answered(data);
  }

  /** Checks the value that comes with an answer. @throws INVALID_REQUEST the engine does not take it */
  checkValue(requestId: string, value: JsonValue): void {
    this.#requests?.checkValue(requestId, value);
  }

  async #drive(settle: () => void): Promise<void> {
    // deferred until the execution holds this driver, because an engine may report itself lost in its first step
    await Promise.resolve();
    if (this.#isFenced) return settle();
    const { runTimes } = this.#host.services;
    runTimes.add(this.#timed);
    try {
      await this.#pull(settle);
    } catch (error) {
      // a failure of the cleanup does not replace its reason
      this.#failure ??= error ?? new TypeError('The engine threw nothing');
      settle();
    }
    runTimes.remove(this.#timed);
    if (!this.#isFenced && this.#outcome === null) await this.#persist(this.#endOf(), this.#finish);
    if (this.#outcome !== null) this.#host.release(this);
  }

  readonly #finish = (state: WorkerState, end: RunEnd): readonly NewEvent[] =>
    finishRun(state, this.runId, end, this.#host.startsNext());

  async #pull(settle: () => void): Promise<void> {
    const pending = this.#current.input;
    const input = this.#given ?? (pending && (await this.#unlessFenced(this.#readInput(pending))));
    // a run that was asked to end before its input was read never reaches the engine
    if (input === FENCED || (input === null && pending)) return settle();
    const outputs = this.#session.run(this.#handle(input))[Symbol.asyncIterator]();
    for (;;) {
      // not raced against the fence, which would cost two promises an output: nothing waits for the driver of a fenced run
      const step = await outputs.next();
      if (this.#isFenced) {
        await outputs.return?.();
        return settle();
      }
      if (step.done) {
        settle();
        if (step.value) await this.#recordLast(step.value);
        return;
      }
      try {
        if (this.#paused && beginsStep(step.value)) this.#pause();
        else await this.#recorder.record(step.value);
        this.#outputs += 1;
        this.#pauseIfWaiting();
        if (this.#outputs % OUTPUTS_PER_YIELD === 0) await setImmediate();
        if (!this.#isFenced && this.#recorder.withdrawn === null) continue;
      } catch (error) {
        this.#failure = error;
        this.#controller?.abort(error);
      }
      // no further output is pulled, and the engine has until the deadline to clean up
      const returned = (async () => outputs.return?.())();
      returned.then(settle, settle);
      if (this.#isFenced) return;
      this.#host.detachAtDeadline(this);
      await this.#unlessFenced(returned);
      return;
    }
  }

  /**
   * Records the outputs that the engine returned, and ends the run in the same commit if that is possible. Nothing of it
   * is recorded if the commit fails: the failure is then that of the run, as with outputs that are yielded.
   */
  async #recordLast(outputs: EngineOutput | readonly EngineOutput[]): Promise<void> {
    if (this.#paused && beginsStep(outputs)) this.#pause();
    else
      await this.#recorder.recordLast(outputs, (state, events) =>
        this.#ending(state, this.#endOf(), this.#finish, events),
      );
  }

  /**
   * Reads the input from the log, and retries while the store fails. Returns null if the run is asked to end first.
   * @throws WORKER_DAMAGED the log does not have the input any more
   */
  async #readInput(pending: PendingInput): Promise<RunInput | null> {
    for (
      let delayMs = 100;
      this.#reason === null && !this.#isFenced;
      delayMs = Math.min(delayMs * 2, 5_000)
    ) {
      try {
        return await this.#host.readInput(pending);
      } catch (cause) {
        const error = RuntimeError.from(cause, 'STORE_UNAVAILABLE');
        if (!error.retryable) throw error;
        await new Promise<void>((resolve) => {
          const cancelTimer = this.#host.services.clock.after(delayMs, resolve);
          this.#endPause = () => {
            cancelTimer();
            resolve();
          };
        });
      }
    }
    return null;
  }

  /** Waits for a step of the run, or for the fence. */
  #unlessFenced<T>(next: Promise<T>): Promise<T | typeof FENCED> {
    return new Promise((resolve, reject) => {
      this.#resolveFenced = () => resolve(FENCED);
      if (this.#isFenced) this.#resolveFenced();
      next.then(resolve, reject);
    });
  }

  #handle(input: RunInput | null): Run {
    const { calls = [], attempt = 1 } = this.#current;
    return new RunHandle({
      runId: this.runId,
      input: input && {
        role: input.role,
        parts: input.parts,
        ...(input.metadata && { metadata: input.metadata }),
      },
      attempt,
      openCalls: calls.length === 0 ? [] : this.#useRequests().openCalls(),
      signal: () => this.#signal(),
      ask: (question) => handled(this.#ask(question)),
    });
  }

  /** The signal of the run. Created on first use, because most runs of simple engines never read it, and a controller is large. */
  #signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#reason !== null) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** The end of a run that was asked to end; null for any other run. */
  get cancelledEnd(): RunEnd | null {
    if (this.#reason === null) return null;
    return askedEnd(this.#reason, this.#remark);
  }

  #endOf(): RunEnd {
    const cancelled = this.cancelledEnd;
    if (cancelled !== null) return cancelled;
    const withdrawn = this.#recorder.withdrawn;
    if (withdrawn !== null) {
      const { reason } = withdrawn;
      return { outcome: 'cancelled', ...(reason !== undefined && { reason }) };
    }
    if (this.#failure === null) return { outcome: 'completed' };
    const { worker, services } = this.#host;
    return failedEnd(this.#failure, { worker: worker.workerId, runId: this.runId, report: services.report });
  }

  /**
   * Commits the end of the run with retries, so that a disk that is full for a while leaves no run open. An end that
   * cannot be written is reduced to one that always can.
   */
  async #persist(
    end: RunEnd,
    decide: (state: WorkerState, end: RunEnd) => readonly NewEvent[],
  ): Promise<void> {
    const rejectWaiters = (error: RuntimeError): void => {
      for (const { reject } of this.#waiters.splice(0)) reject(error);
    };
    const ifActive =
      (events: (state: WorkerState) => readonly NewEvent[]) =>
      (state: WorkerState): readonly NewEvent[] =>
        state.run?.runId === this.runId ? events(state) : [];
    // a full store accepts a short end; the text of a run that completed is worth waiting for space
    let isShort = false;
    const failure = await this.#host.persist(
      ifActive((state) => (isShort ? decide(state, end) : this.#ending(state, end, decide))),
      (error) => {
        isShort = error.code === 'STORE_FULL' && end.outcome !== 'completed';
        if (!CANNOT_BE_WRITTEN.has(error.code)) rejectWaiters(error);
      },
    );
    if (failure && CANNOT_BE_WRITTEN.has(failure.code)) {
      const { runId } = this;
      this.#host.services.report({
        severity: 'error',
        code: failure.code,
        message: 'The end of a run was shortened, because it could not be written',
        worker: this.#host.worker.workerId,
        details: { runId },
        cause: failure,
      });
      const rest = lastResort(end);
      await this.#host.persist(
        ifActive((state) => decide(state, rest).filter(isBounded)),
        rejectWaiters,
      );
    }
    // the next call of `finished` starts another attempt
    if (this.#outcome === null) this.#retry = () => void this.#persist(end, decide);
  }

  /** The events that end the run, after the text that no message has completed. `events` are committed before them. */
  #ending(
    state: WorkerState,
    end: RunEnd,
    decide: (state: WorkerState, end: RunEnd) => readonly NewEvent[],
    events?: readonly NewEvent[],
  ): readonly NewEvent[] {
    const leftover = this.#recorder.leftover(state, end, events);
    if (leftover) return [...leftover, ...decide(state, end)];
    const { eventBytes } = this.#host.services.limits;
    return decide(state, end.outcome === 'completed' ? textLost(eventBytes) : end);
  }

  async #ask(question: Question): Promise<Answer> {
    if (!this.#host.allowsRequests()) {
      throw new RuntimeError(
        'OPERATION_UNSUPPORTED',
        'The capabilities of the engine do not declare `requests`',
      );
    }
    if (this.#reason !== null) return { decision: null, by: this.#endedBy };
    if (this.#isFenced) throw new RuntimeError('EXECUTION_LOST');
    return this.#useRequests().ask(question);
  }

  #useRequests(): RunRequests {
    this.#requests ??= new RunRequests(this.#current, this.#host, this.#patience, () =>
      this.#pauseIfWaiting(),
    );
    return this.#requests;
  }

  #pause(): void {
    this.#abandon();
    this.#paused?.();
  }

  /** Fences the engine, and aborts its signal so that it ends. */
  #abandon(): void {
    this.fence();
    this.#controller?.abort('shutdown');
  }

  /** Pauses if a pause was asked for and the run waits for people alone: no call is being made. */
  #pauseIfWaiting(): void {
    const { run, requests } = this.#host.worker.state;
    if (!this.#paused || this.#isFenced || run?.runId !== this.runId || requests.length === 0) return;
    const isAsked = (call: string): boolean =>
      requests.some((request) => request.call === call && request.kind === 'permission');
    if ((run.calls ?? []).every(isAsked)) this.#pause();
  }

  /** The value of `by` for open requests of a run that was asked to end. A shutdown counts as a restart. */
  get #endedBy(): 'cancel' | 'restart' {
    return this.#reason === 'shutdown' ? 'restart' : 'cancel';
  }
}
