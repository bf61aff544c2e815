import { setImmediate } from 'node:timers/promises';
import type { Answer, EngineSession, Question, Run, RunInput } from '../contracts/engine.ts';
import type { EventData, NewEvent, RunOutcome } from '../contracts/event.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import { finishRun, lose, openRequest, type RunEnd, resolveRequest } from '../domain/decide.ts';
import type { CurrentRun, WorkerState } from '../domain/state.ts';
import { mintId } from '../id.ts';
import type { Worker } from '../workers/worker.ts';
import { unheard } from './handled.ts';
import { OutputRecorder } from './output-recorder.ts';
import type { Supervision } from './supervision.ts';

/** Why a run was told to end before it did so itself. The first reason counts. */
export type AbortReason = 'cancel' | 'stop' | 'deadline' | 'shutdown';

const ABANDONED = Symbol('abandoned');

/** After so many outputs without a pause, timers and sockets get their turn: an engine that floods starves nobody. */
const OUTPUTS_PER_BREATH = 8;

const ENDS: Record<AbortReason, RunEnd> = {
  cancel: { outcome: 'cancelled' },
  stop: { outcome: 'cancelled' },
  deadline: { outcome: 'failed', error: { code: 'RUN_DEADLINE', message: 'The run took too long' } },
  shutdown: { outcome: 'interrupted' },
};

/** Drives one run: pulls the engine's outputs, has them recorded one by one, and ends the run whatever the engine does. */
export class RunDriver {
  readonly runId: string;
  /** Resolves when the engine's generator has ended, however late; never rejects. */
  readonly settled: Promise<void>;
  readonly #worker: Worker;
  readonly #session: EngineSession;
  readonly #supervision: Supervision;
  readonly #current: CurrentRun;
  readonly #recorder: OutputRecorder;
  readonly #answers = new Map<string, (answer: Answer) => void>();
  #controller: AbortController | null = null;
  #reason: AbortReason | null = null;
  #remark: string | undefined;
  #abandon: () => void = () => {};
  #isAbandoned = false;
  #outputs = 0;
  #waiters: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];
  #outcome: RunOutcome | null = null;
  #failure: unknown = null;
  #tryAgain: (() => void) | null = null;

  constructor(worker: Worker, current: CurrentRun, session: EngineSession, supervision: Supervision) {
    this.runId = current.runId;
    this.#worker = worker;
    this.#current = current;
    this.#session = session;
    this.#supervision = supervision;
    this.#recorder = new OutputRecorder(worker, current.runId, supervision);
    let settle: () => void = () => {};
    this.settled = new Promise((resolve) => {
      settle = resolve;
    });
    // not before whoever made this driver has it: an engine may say in its first step that it is lost
    queueMicrotask(() => void this.#drive(settle));
  }

  /** Asks the run to end: its signal is aborted, and what it waits for is answered. */
  abort(reason: AbortReason, remark?: string): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.#remark = remark;
    this.#controller?.abort(reason);
    for (const requestId of this.#answers.keys()) this.#resolve(requestId, this.#endedBy);
  }

  /**
   * Stops listening to the engine at once. What it still yields is dropped, and what it waits for is answered, since
   * nobody tells it any more. The run is not ended by this.
   */
  abandon(): void {
    this.#isAbandoned = true;
    this.#recorder.close();
    this.#abandon();
    for (const answer of this.#answers.values()) answer({ decision: null, by: this.#endedBy });
    this.#answers.clear();
  }

  /** Abandons an engine that did not end in time, and ends its run with the execution. */
  giveUp(): void {
    this.abandon();
    void this.#persist(this.#endOf(), (state, end) => lose(state, end, 'deadline'));
  }

  /** Text that no message has closed, for whoever ends the run in the driver's place. */
  leftover(state: WorkerState, end: RunEnd): readonly NewEvent[] {
    return this.#recorder.leftover(state, end);
  }

  /** How the run ended, once that is committed. */
  get outcome(): RunOutcome | null {
    return this.#outcome;
  }

  /** Resolves when the end of the run is committed; rejects when a try to commit it failed (which goes on). */
  finished(): Promise<void> {
    if (this.#outcome !== null) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      const tryAgain = this.#tryAgain;
      this.#tryAgain = null;
      tryAgain?.();
    });
  }

  /** The end of the run is committed, by whomever. */
  ended(outcome: RunOutcome): void {
    this.#outcome = outcome;
    this.#recorder.end();
    for (const { resolve } of this.#waiters.splice(0)) resolve();
  }

  /** A request of this run was resolved, by whomever. */
  answered(data: EventData['request.resolved']): void {
    const { request, decision, note, by } = data;
    this.#answers.get(request)?.({ decision, by, ...(note !== undefined && { note }) });
    this.#answers.delete(request);
  }

  async #drive(settle: () => void): Promise<void> {
    if (this.#isAbandoned) return settle();
    const { clock, limits } = this.#supervision;
    const callOff = clock.after(limits.runTimeoutMs, () => this.#supervision.overdue(this.#worker, this));
    try {
      await this.#pull(settle);
    } catch (error) {
      this.#failure = error ?? new TypeError('The engine threw nothing');
      settle();
    }
    callOff();
    if (this.#isAbandoned) return;
    await this.#persist(this.#endOf(), (state, end) =>
      finishRun(state, this.runId, end, this.#supervision.startsNext(this.#worker)),
    );
  }

  async #pull(settle: () => void): Promise<void> {
    const outputs = this.#session.run(this.#handle())[Symbol.asyncIterator]();
    for (;;) {
      const next = outputs.next();
      const step = await this.#unlessAbandoned(next);
      if (step === ABANDONED) {
        // return() is never awaited while next() pends: it would wait for it
        next.then(() => outputs.return?.()).then(settle, settle);
        return;
      }
      if (step.done) return settle();
      try {
        await this.#recorder.record(step.value);
        this.#outputs += 1;
        if (this.#outputs % OUTPUTS_PER_BREATH === 0) await setImmediate();
        if (!this.#isAbandoned && this.#recorder.withdrawn === null) continue;
      } catch (error) {
        this.#failure = error;
        this.#controller?.abort(error);
      }
      // the engine is not asked for more, and has until the deadline to clean up
      const returned = Promise.resolve(outputs.return?.());
      returned.then(settle, settle);
      if (this.#isAbandoned) return;
      this.#supervision.expire(this.#worker, this);
      await this.#unlessAbandoned(returned);
      return;
    }
  }

  /** A race that leaves nothing behind on a promise that lives longer than the step. */
  #unlessAbandoned<T>(next: Promise<T>): Promise<T | typeof ABANDONED> {
    return new Promise((resolve, reject) => {
      this.#abandon = () => resolve(ABANDONED);
      if (this.#isAbandoned) this.#abandon();
      next.then(resolve, reject);
    });
  }

  #handle(): Run {
    const { input, runId } = this.#current;
    const given: RunInput | null = input && {
      role: input.role,
      parts: input.parts,
      ...(input.metadata && { metadata: input.metadata }),
    };
    const signal = (): AbortSignal => {
      // made when asked for: most runs of simple engines never look, and a controller is large
      if (!this.#controller) {
        this.#controller = new AbortController();
        if (this.#reason !== null) this.#controller.abort(this.#reason);
      }
      return this.#controller.signal;
    };
    return {
      runId,
      input: given,
      get signal() {
        return signal();
      },
      ask: (question) => unheard(this.#ask(question)),
    };
  }

  /** How the run ends because somebody told it to, whatever becomes of its engine meanwhile. */
  get toldEnd(): RunEnd | null {
    if (this.#reason === null) return null;
    return { ...ENDS[this.#reason], ...(this.#remark !== undefined && { reason: this.#remark }) };
  }

  #endOf(): RunEnd {
    const failure = this.#failure;
    const told = this.toldEnd;
    if (told !== null) return told;
    const withdrawn = this.#recorder.withdrawn;
    if (withdrawn !== null) {
      const { reason } = withdrawn;
      return { outcome: 'cancelled', ...(reason !== undefined && { reason }) };
    }
    if (failure === null) return { outcome: 'completed' };
    if (failure instanceof RuntimeError) {
      return { outcome: 'failed', error: { code: failure.code, message: failure.message } };
    }
    this.#supervision.report({
      severity: 'error',
      code: 'ENGINE_FAILED',
      message: 'An engine threw during a run',
      worker: this.#worker.workerId,
      details: { runId: this.runId },
      cause: failure,
    });
    return { outcome: 'failed', error: { code: 'ENGINE_FAILED', message: 'The engine failed' } };
  }

  /** Tries until it is committed: a run must not stay open because a disk was full for a while. */
  async #persist(
    wanted: RunEnd,
    decide: (state: WorkerState, end: RunEnd) => readonly NewEvent[],
  ): Promise<void> {
    let end = wanted;
    await this.#supervision.persist(
      this.#worker,
      (state) =>
        state.run?.runId === this.runId
          ? [...this.#recorder.leftover(state, end), ...decide(state, end)]
          : [],
      (error) => {
        if (error.code === 'OUTPUT_TOO_LARGE') {
          this.#recorder.dropLeftover();
          // text that is lost is never said to be complete
          if (end.outcome === 'completed')
            end = { outcome: 'failed', error: { code: error.code, message: error.message } };
        }
        for (const { reject } of this.#waiters.splice(0)) reject(error);
      },
    );
    // given up for now: whoever asks next has it tried once more
    if (this.#outcome === null) this.#tryAgain = () => void this.#persist(end, decide);
  }

  async #ask({ kind, prompt, call, options, timeoutMs }: Question): Promise<Answer> {
    if (!this.#supervision.allowsRequests(this.#worker)) {
      throw new RuntimeError(
        'OPERATION_UNSUPPORTED',
        'The capabilities of the engine do not declare `requests`',
      );
    }
    if (this.#reason !== null) return { decision: null, by: this.#endedBy };
    if (options.length === 0) throw new TypeError('A request needs at least one option');
    const { clock, limits } = this.#supervision;
    const requestId = mintId('request');
    const expiresAt = timeoutMs === undefined ? null : new Date(clock.now() + timeoutMs).toISOString();
    const answer = new Promise<Answer>((resolve) => this.#answers.set(requestId, resolve));
    try {
      await this.#supervision.commit(this.#worker, (state) => {
        if (this.#isAbandoned) throw new RuntimeError('EXECUTION_LOST');
        return openRequest(
          state,
          this.runId,
          { requestId, kind, prompt, call: call ?? null, options, expiresAt },
          limits,
        );
      });
    } catch (error) {
      this.#answers.delete(requestId);
      throw error;
    }
    // aborted while it was being opened
    if (this.#reason !== null) this.#resolve(requestId, this.#endedBy);
    const callOff =
      timeoutMs === undefined ? null : clock.after(timeoutMs, () => this.#resolve(requestId, 'timeout'));
    try {
      return await answer;
    } finally {
      callOff?.();
    }
  }

  /** What answers the requests of a run that was told to end: a shutdown is no wish of anybody's. */
  get #endedBy(): 'cancel' | 'restart' {
    return this.#reason === 'shutdown' ? 'restart' : 'cancel';
  }

  #resolve(requestId: string, by: 'cancel' | 'timeout' | 'restart'): void {
    void this.#supervision.persist(this.#worker, (state) =>
      state.requests.some((open) => open.requestId === requestId)
        ? resolveRequest(state, requestId, { decision: null, by })
        : [],
    );
  }
}
