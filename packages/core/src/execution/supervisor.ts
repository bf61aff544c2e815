import type { Clock } from '../contracts/clock.ts';
import type { Engine, RunInput } from '../contracts/engine.ts';
import type { WorkerEvent } from '../contracts/event.ts';
import type { Limits } from '../contracts/limits.ts';
import type { Logger } from '../contracts/logger.ts';
import type { CancelOutcome, StopOutcome } from '../contracts/runtime-api.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { RuntimeStore } from '../contracts/store.ts';
import type { Report } from '../diagnostics.ts';
import type { Claims } from '../domain/claims.ts';
import { beginRun, finishRun, lose, startNext, stop } from '../domain/decide.ts';
import { mintId } from '../id.ts';
import type { Journal } from '../journal/journal.ts';
import type { Commit } from '../journal/turn.ts';
import type { Live, PrivateRecord, Worker } from '../workers/worker.ts';
import { Attachments } from './attachments.ts';
import type { Execution } from './execution.ts';
import type { RunDriver } from './run-driver.ts';
import { Stalls, type StallsOptions } from './stalls.ts';
import type { Decide, Supervision } from './supervision.ts';

export interface SupervisorOptions
  extends Pick<Supervision, 'runtimeId' | 'clock' | 'limits' | 'log' | 'report' | 'createChild' | 'history'> {
  readonly journal: Journal;
  readonly store: RuntimeStore;
  readonly engines: ReadonlyMap<string, Engine>;
  readonly claims: Claims;
  readonly changed: StallsOptions['changed'];
}

const LOST = { code: 'EXECUTION_LOST', message: 'The execution was lost' } as const;

/** No try can change that. */
const FINAL = new Set(['WORKER_DAMAGED', 'WORKER_NOT_FOUND', 'STORE_CONFLICT']);

/**
 * Keeps what is executed in step with what the log says: attaches engines, starts the run that the log has started,
 * and ends executions within their deadlines. Level-triggered: after every commit `reconcile` looks at the state, not
 * at the event, so it does not matter which command led there.
 */
export class Supervisor implements Supervision {
  readonly runtimeId: string;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly log: Logger;
  readonly report: (report: Report) => void;
  readonly createChild: Supervision['createChild'];
  readonly history: Supervision['history'];
  readonly #journal: Journal;
  readonly #engines: ReadonlyMap<string, Engine>;
  readonly #attachments: Attachments;
  readonly #stalls: Stalls;
  #isDraining = false;
  #isClosed = false;

  constructor(options: SupervisorOptions) {
    this.runtimeId = options.runtimeId;
    this.clock = options.clock;
    this.limits = options.limits;
    this.log = options.log;
    this.report = options.report;
    this.createChild = options.createChild;
    this.history = options.history;
    this.#journal = options.journal;
    const { store, engines, claims } = options;
    this.#engines = engines;
    this.#attachments = new Attachments({ supervision: this, store, engines, claims });
    this.#stalls = new Stalls(options);
  }

  commit(...args: Parameters<Journal['commit']>): Promise<Commit> {
    return this.#journal.commit(...args);
  }

  async persist(worker: Worker, decide: Decide, failed?: (error: RuntimeError) => void): Promise<void> {
    for (let delayMs = 100; ; delayMs = Math.min(delayMs * 2, 5_000)) {
      try {
        await this.#journal.commit(worker, decide);
        return;
      } catch (cause) {
        const error = RuntimeError.from(cause);
        failed?.(error);
        if (this.#isClosed || FINAL.has(error.code)) return;
        await new Promise<void>((resolve) => this.clock.after(delayMs, resolve));
      }
    }
  }

  allowsRequests(worker: Worker): boolean {
    return this.#engines.get(worker.state.engine)?.capabilities.requests === true;
  }

  startsNext(worker: Worker): boolean {
    const { live } = worker;
    return !this.#isDraining && live !== null && live.stopping === null && live.execution !== null;
  }

  /** @throws as `Attachments.attach` */
  attach(...args: Parameters<Attachments['attach']>): Promise<Execution> {
    return this.#attachments.attach(...args);
  }

  recordOf(worker: Worker): Promise<PrivateRecord> {
    return this.#attachments.recordOf(worker);
  }

  /** Called after every commit: makes live what the state says. */
  reconcile(worker: Worker, events: readonly WorkerEvent[]): void {
    const { state, live } = worker;
    if (!live) return;
    const { execution, driver } = live;
    for (const event of events) {
      if (event.type === 'request.resolved') driver?.answered(event.data);
      else if (event.type === 'run.finished' && driver && event.run === driver.runId) {
        live.driver = null;
        driver.ended(event.data.outcome);
      }
    }
    if (live.stall && startNext(state).length === 0) this.#stalls.end(worker);
    if (state.phase !== 'alive' || state.status === 'stopped' || worker.isWithdrawn) return;
    if (state.run) {
      // an input that came during a stop is ended by it; nothing begins on an execution that is let go
      const isOwn = execution !== null && state.run.generation === execution.generation;
      if (isOwn && live.stopping === null && execution.driver?.runId !== state.run.runId)
        execution.start(state.run);
    } else if (state.queue.length > 0 && !this.#isDraining && live.stopping === null) {
      // where nothing could be attached, the pause before the next try is not cut short by an event about something else
      if (execution || !live.stall) void this.continueQueue(worker);
    }
  }

  /** Goes on with inputs that wait: attaches where nothing is attached. What fails is tried again as long as they wait. */
  async continueQueue(worker: Worker): Promise<void> {
    try {
      if (worker.live?.execution) await this.#journal.commit(worker, startNext);
      // attaching commits, and so comes back here
      else await this.attach(worker);
    } catch (cause) {
      // a stop ends what waits; one that the store did not take has not
      await worker.live?.stopping?.catch(() => {});
      if (startNext(worker.state).length === 0) return;
      this.#stalls.begin(worker, cause, () => void this.continueQueue(worker));
    }
  }

  async beginRun(worker: Worker, execution: Execution, input: RunInput | null): Promise<void> {
    const runId = mintId('run');
    const accepted = input && { ...input, inputId: mintId('input'), runId };
    await this.#journal.commit(worker, (state) => {
      if (this.#isDraining) throw new RuntimeError('RUNTIME_STOPPING');
      if (execution.isFenced || worker.live?.execution !== execution)
        throw new RuntimeError('EXECUTION_LOST');
      return beginRun(state, runId, accepted);
    });
  }

  /** @throws RUN_MISMATCH · STORE_UNAVAILABLE the run has ended but the store does not take it */
  async cancel(
    worker: Worker,
    runId: string | undefined,
    reason: string | undefined,
  ): Promise<CancelOutcome> {
    const { run } = worker.state;
    if (!run) return { changed: false, status: worker.state.status };
    if (runId !== undefined && runId !== run.runId)
      throw new RuntimeError('RUN_MISMATCH', undefined, { details: { runId: run.runId } });
    const driver = worker.live?.execution?.driver;
    if (driver?.runId !== run.runId) {
      // its execution is gone and the store was not there to say so
      await this.#journal.commit(worker, (state) =>
        state.run?.runId === run.runId ? lose(state, { outcome: 'cancelled' }, 'crash') : [],
      );
      return { changed: true, status: worker.state.status };
    }
    driver.abort('cancel', reason);
    this.expire(worker, driver);
    await driver.finished();
    return { changed: driver.outcome === 'cancelled', status: worker.state.status };
  }

  overdue(worker: Worker, driver: RunDriver): void {
    driver.abort('deadline');
    this.expire(worker, driver);
  }

  expire(worker: Worker, driver: RunDriver): void {
    const callOff = this.clock.after(this.limits.stopDeadlineMs, () => {
      const execution = worker.live?.execution;
      if (execution?.driver !== driver || worker.live?.stopping) return;
      driver.giveUp();
      this.#attachments.drop(worker, execution);
      void this.#attachments.abandon(worker, execution);
    });
    void driver.settled.then(callOff);
  }

  lost(worker: Worker, execution: Execution, cause: unknown): void {
    execution.fence();
    if (worker.live?.execution !== execution) return;
    this.#attachments.drop(worker, execution);
    this.report({
      severity: 'error',
      code: LOST.code,
      message: LOST.message,
      worker: worker.workerId,
      details: { generation: execution.generation },
      cause,
    });
    void this.#attachments.letGo(execution, 'lost');
    this.close(worker, execution);
  }

  /** Says in the log that an execution is gone. Another one may have been attached before that could be said. */
  close(worker: Worker, execution: Execution, cause: 'crash' | 'deadline' = 'crash'): void {
    const end = execution.driver?.toldEnd ?? ({ outcome: 'failed', error: LOST } as const);
    void this.persist(worker, (state) => {
      const leftover = execution.driver?.leftover(state, end) ?? [];
      if (state.generation === execution.generation) return [...leftover, ...lose(state, end, cause)];
      const { run } = state;
      return run?.generation === execution.generation
        ? [...leftover, ...finishRun(state, run.runId, end, this.startsNext(worker))]
        : [];
    });
  }

  /** @throws STORE_UNAVAILABLE · STORE_FULL: the execution has ended all the same */
  async stop(worker: Worker, deadlineMs: number, reason: string | undefined): Promise<StopOutcome> {
    const live = worker.ensureLive(this.limits);
    if (live.stopping) return { ...(await live.stopping), changed: false };
    const { status, stopResult } = worker.state;
    if (status === 'stopped') return { changed: false, status, outcome: stopResult ?? 'graceful' };
    live.stopping = this.#stop(worker, live, deadlineMs, reason).finally(() => {
      live.stopping = null;
    });
    return live.stopping;
  }

  async #stop(
    worker: Worker,
    live: Live,
    deadlineMs: number,
    reason: string | undefined,
  ): Promise<StopOutcome> {
    const { execution } = live;
    this.#attachments.interrupt(worker);
    const outcome = execution && !(await this.#end(execution, 'stop', deadlineMs)) ? 'detached' : 'graceful';
    if (execution) this.#attachments.drop(worker, execution);
    if (execution && outcome === 'detached') void this.#attachments.abandon(worker, execution);
    try {
      await this.#journal.commit(worker, (state) => [
        ...(execution?.driver?.leftover(state, { outcome: 'cancelled' }) ?? []),
        ...stop(state, outcome, reason),
      ]);
    } catch (error) {
      // it is not stopped, but nothing runs any more: that is said as soon as the store takes it
      if (execution && worker.state.run) this.close(worker, execution, 'deadline');
      throw error;
    }
    return { changed: true, status: 'stopped', outcome };
  }

  /** Asks an execution to end and fences it. False where it had not ended by the deadline. */
  async #end(execution: Execution, reason: 'stop' | 'shutdown', deadlineMs: number): Promise<boolean> {
    execution.driver?.abort(reason);
    execution.abort();
    const ending = (async () => {
      const { driver } = execution;
      if (driver && driver.outcome === null) {
        await driver.settled;
        await driver.finished().catch(() => {});
      }
      await execution.detach(reason);
    })();
    const isInTime = await new Promise<boolean>((resolve) => {
      const callOff = this.clock.after(deadlineMs, () => resolve(false));
      void ending.then(() => {
        callOff();
        resolve(true);
      });
    });
    execution.fence();
    return isInTime;
  }

  /**
   * The log says what was on when the last process ended; nothing is pretended. Where the store does not take the end
   * of it now, this returns, and goes on behind: what is stored can be read all the same.
   */
  recover(worker: Worker): Promise<void> {
    const { run, generation } = worker.state;
    if (!run) return Promise.resolve();
    const end = { outcome: 'interrupted' } as const;
    const decide: Decide = (state) => {
      if (state.run?.runId !== run.runId) return [];
      return state.generation === generation
        ? lose(state, end, 'restart')
        : finishRun(state, run.runId, end, this.startsNext(worker));
    };
    return new Promise((resolve) => {
      void this.persist(worker, decide, () => resolve()).finally(resolve);
    });
  }

  /**
   * Ends all executions: runs may finish for half of the time, then are told to, then are closed as `interrupted`.
   * Statuses are kept, queued inputs too.
   */
  async drain(deadlineMs: number): Promise<void> {
    this.#isDraining = true;
    this.#stalls.close();
    this.#attachments.close();
    const finished = Promise.all(
      this.#attachments.workers.map(async (worker) =>
        worker.live?.execution?.driver?.finished().catch(() => {}),
      ),
    );
    await new Promise<void>((resolve) => {
      const callOff = this.clock.after(deadlineMs / 2, resolve);
      void finished.then(() => {
        callOff();
        resolve();
      });
    });
    await Promise.all(
      this.#attachments.workers.map(async (worker) => {
        const execution = worker.live?.execution;
        if (!execution) return;
        const isEnded = await this.#end(execution, 'shutdown', deadlineMs / 4);
        if (!isEnded) execution.driver?.giveUp();
        this.#attachments.drop(worker, execution);
        if (!isEnded) void this.#attachments.abandon(worker, execution);
        await execution.driver?.finished().catch(() => {});
      }),
    );
  }

  /** Ends the trying again: what the store did not take by now, the next start will find. */
  giveUp(): void {
    this.#isClosed = true;
    this.#stalls.close();
  }
}
