import { admitted } from '../admission.ts';
import type { Engine, RunInput } from '../contracts/engine.ts';
import type { WorkerEvent } from '../contracts/event.ts';
import type { JsonValue } from '../contracts/json.ts';
import type { CancelOutcome } from '../contracts/run.ts';
import type { StopOutcome } from '../contracts/runtime-api.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { Claims } from '../domain/claims.ts';
import {
  attemptOf,
  beginRun,
  detachExecution,
  detachRun,
  finishRun,
  mayContinue,
  needsExecution,
  type Remark,
  startNext,
  stop,
} from '../domain/decide.ts';
import { partsWithFiles } from '../domain/stored-files.ts';
import { mintId } from '../id.ts';
import { inTime } from '../in-time.ts';
import type { Decision } from '../journal/turn.ts';
import type { StoreReads } from '../store-reads.ts';
import { factsOf } from '../workers/views.ts';
import type { PrivateRecord, Worker } from '../workers/worker.ts';
import { Attachments, type DecideAttached } from './attachments.ts';
import { Deadline } from './deadline.ts';
import type { Execution, ExecutionOwner } from './execution.ts';
import { type ExecutionState, executionStateOf, findExecutionState } from './execution-state.ts';
import type { RunDriver } from './run-driver.ts';
import type { ExecutionServices } from './services.ts';
import { Stalls, type StallsOptions } from './stalls.ts';

export interface SupervisorOptions {
  readonly services: ExecutionServices;
  readonly reads: StoreReads;
  readonly engines: ReadonlyMap<string, Engine>;
  readonly claims: Claims;
  readonly changed: StallsOptions['changed'];
}

const LOST = { code: 'EXECUTION_LOST', message: 'The execution was lost' } as const;

/** Returns the input of a run if it is among events that were just committed; null if only the log has it. */
const inputIn = (events: readonly WorkerEvent[], runId: string): RunInput | null => {
  for (const event of events) if (event.type === 'input.accepted' && event.run === runId) return event.data;
  return null;
};

/** True if an event changes what an engine is attached with. */
const isReconfiguration = (event: WorkerEvent): boolean =>
  event.type === 'worker.updated' &&
  (event.data.configDigest !== undefined || event.data.tools !== undefined);

/** The pause before a run is continued for the second time. It doubles with each further time. */
const FIRST_RETRY_MS = 1_000;

/** Shares of the deadline of `drain`: how long runs may continue, and how long an asked execution may take to end. */
const DRAIN_RUNS = 1 / 2;
const DRAIN_ENDS = 1 / 4;

/**
 * Keeps executions consistent with the log: attaches engines, starts the runs that the log has started, and ends
 * executions by their deadlines. It is level-triggered: after every commit `reconcile` looks at the state and not at
 * the event, so it does not matter which command led there.
 */
export class Supervisor implements ExecutionOwner {
  readonly #services: ExecutionServices;
  readonly #engines: ReadonlyMap<string, Engine>;
  readonly #attachments: Attachments;
  readonly #stalls: Stalls;
  /** The ends of the executions that `fence` detached. */
  readonly #fenced: Promise<void>[] = [];
  #isDraining = false;
  #isHolding = false;

  constructor({ services, reads, engines, claims, changed }: SupervisorOptions) {
    this.#services = services;
    this.#engines = engines;
    this.#attachments = new Attachments({ services, owner: this, reads, engines, claims });
    const { clock, report } = services;
    this.#stalls = new Stalls({ clock, report, changed, holderOf: findExecutionState });
  }

  /** True once no further run starts here, because another process continues. */
  get isHolding(): boolean {
    return this.#isHolding;
  }

  /** @throws as `Attachments.attach` */
  attach(worker: Worker, decide?: DecideAttached): Promise<Execution> {
    return this.#attachments.attach(worker, decide);
  }

  recordOf(worker: Worker): Promise<PrivateRecord> {
    return this.#attachments.recordOf(worker);
  }

  /** True if an engine is attached to the Worker. */
  isAttached(worker: Worker): boolean {
    return findExecutionState(worker)?.isConnected === true;
  }

  /** The media types of the files that a Worker accepts now, and the name of its engine. */
  filesOf({ state, live }: Worker): readonly [accepted: readonly string[] | undefined, engine: string] {
    return [live?.execution?.files ?? this.#engines.get(state.engine)?.capabilities.files, state.engine];
  }

  /** Resolves when the stop in progress has ended, however it ended; null if the Worker is not being stopped. */
  stopping(worker: Worker): Promise<unknown> | null {
    return findExecutionState(worker)?.stopping?.catch(() => {}) ?? null;
  }

  /**
   * Waits until the stop in progress, if there is one, has ended, at most `stopDeadlineMs`.
   * @throws ENGINE_UNAVAILABLE the stop takes longer
   */
  async stopped(worker: Worker): Promise<void> {
    const stopping = this.stopping(worker);
    if (!stopping) return;
    const { clock, limits } = this.#services;
    const message = 'The Worker is still being stopped; try again';
    await inTime(clock, limits.stopDeadlineMs, stopping, 'ENGINE_UNAVAILABLE', message);
  }

  /** Makes live what the state says. Called after every commit. */
  reconcile(worker: Worker, events: readonly WorkerEvent[]): void {
    const supervised = findExecutionState(worker);
    const { state } = worker;
    if (supervised) this.#notifyDriver(supervised, events);
    if (supervised && events.some(isReconfiguration))
      supervised.isOutdated = supervised.execution !== null || supervised.attaching !== null;
    if (supervised?.isOutdated && state.run === null && !supervised.stopping)
      this.#detachOutdated(supervised);
    if (supervised?.stall && !needsExecution(state)) this.#stalls.end(worker);
    if (!worker.live || state.phase !== 'alive' || state.status === 'stopped' || worker.isCancelled) return;
    const execution = supervised?.execution ?? null;
    const isStopping = supervised !== null && supervised.stopping !== null;
    if (state.run) {
      // a stop in progress also ends an input that came after it: no run starts on an execution that is being detached
      const isOwn = execution !== null && state.run.generation === execution.generation;
      if (isOwn && supervised !== null && !isStopping && execution.driver?.runId !== state.run.runId)
        supervised.driver = execution.start(state.run, inputIn(events, state.run.runId)) ?? supervised.driver;
    } else if (state.queue.length > 0 && !this.#isDraining && !this.#isHolding && !isStopping) {
      // the backoff after a failed attempt is not cut short by an unrelated event
      if (execution || !supervised?.stall) void this.continueQueue(worker);
    }
  }

  /** Detaches an idle execution that has an earlier config, so that the next run gets the present one. */
  #detachOutdated(supervised: ExecutionState): void {
    supervised.isOutdated = false;
    const { execution } = supervised;
    if (!execution) return;
    this.#attachments.fence(execution);
    void this.#attachments.detach(execution, 'stop');
  }

  #notifyDriver(supervised: ExecutionState, events: readonly WorkerEvent[]): void {
    const { driver } = supervised;
    if (!driver) return;
    for (const event of events) {
      if (event.type === 'request.resolved') driver.answered(event.data);
      else if (event.type === 'run.finished' && event.run === driver.runId) {
        supervised.driver = null;
        driver.ended(event.data.outcome);
      }
    }
  }

  /**
   * Continues the run of a Worker that was interrupted, or starts its next queued input. A run that was interrupted more
   * than once waits first, because it may be the reason.
   */
  async continueWork(worker: Worker): Promise<void> {
    const { run } = worker.state;
    const continuations = run?.isDetached === true ? attemptOf(run) - 1 : 0;
    if (continuations === 0) return this.continueQueue(worker);
    executionStateOf(worker.ensureLive(this.#services.limits));
    const cause = new RuntimeError('EXECUTION_LOST', `The run was interrupted ${continuations + 1} times`);
    const pauseMs = FIRST_RETRY_MS * 2 ** (continuations - 1);
    this.#stalls.begin(worker, cause, () => void this.continueQueue(worker), pauseMs);
  }

  /** Starts the next queued input, and attaches an engine if there is none. Retries a failure while inputs wait. */
  async continueQueue(worker: Worker): Promise<void> {
    if (this.#isHolding) return;
    try {
      if (this.isAttached(worker)) await this.#startNext(worker);
      // the commit of an attachment leads to `reconcile`, and so back to here
      else await this.attach(worker);
    } catch (cause) {
      // a stop that succeeds empties the queue; a stop that the store refused does not
      await this.stopping(worker);
      if (!needsExecution(worker.state)) return;
      this.#stalls.begin(worker, cause, () => void this.continueQueue(worker));
    }
  }

  /** @throws as `Journal.commit` · LIMIT_REACHED the inputs of other runs leave no room in memory */
  async #startNext(worker: Worker): Promise<void> {
    const { journal, activeInputs } = this.#services;
    let release = (): void => {};
    const decide: Decision['decide'] = (state) => {
      const events = this.#isHolding ? [] : startNext(state);
      const [next] = state.queue;
      // one is always possible, also if it is larger than the limit
      if (events.length > 0 && next && activeInputs.bytes > 0) release = activeInputs.reserve(next.bytes);
      return events;
    };
    await journal.commit(worker, decide, { applied: () => release() }).finally(() => release());
  }

  /** @throws RUN_MISMATCH · STORE_UNAVAILABLE the run has ended, but its end could not be stored yet */
  async cancel(worker: Worker, runId: string | undefined, remark: Remark): Promise<CancelOutcome> {
    const { run } = worker.state;
    if (!run) return { changed: false, status: worker.state.status };
    if (runId !== undefined && runId !== run.runId)
      throw new RuntimeError('RUN_MISMATCH', undefined, { details: { runId: run.runId } });
    const execution = findExecutionState(worker)?.execution;
    const driver = execution?.driver;
    if (!execution || driver?.runId !== run.runId) {
      const end = { outcome: 'cancelled', ...remark } as const;
      await this.#services.journal.commit(worker, (state) => {
        if (state.run?.runId !== run.runId) return [];
        // an interrupted run has no execution; any other has lost it, and the store was not available to record that
        return state.run.isDetached === true
          ? finishRun(state, run.runId, end, false)
          : detachExecution(state, end, 'crash');
      });
      return { changed: true, status: worker.state.status };
    }
    driver.cancel('cancel', remark);
    this.detachAtDeadline(execution, driver);
    await driver.finished();
    return { changed: driver.outcome === 'cancelled', status: worker.state.status };
  }

  /** Checks the value of an answer to an open request. @throws INVALID_REQUEST the engine does not take it */
  checkValue(worker: Worker, requestId: string, value: JsonValue): void {
    findExecutionState(worker)?.driver?.checkValue(requestId, value);
  }

  // decisions about one execution

  startsNext(worker: Worker): boolean {
    const supervised = findExecutionState(worker);
    if (
      this.#isDraining ||
      this.#isHolding ||
      supervised === null ||
      supervised.stopping !== null ||
      supervised.execution === null
    )
      return false;
    if (supervised.isOutdated) return false;
    const { run, queue } = worker.state;
    const growth = (queue[0]?.bytes ?? 0) - (run?.input?.bytes ?? 0);
    return this.#services.activeInputs.hasRoom(growth);
  }

  async beginRun(execution: Execution, input: RunInput | null): Promise<void> {
    const { worker } = execution;
    const { hooks, journal } = this.#services;
    const runId = mintId('run');
    const ids = { inputId: mintId('input'), runId };
    const command = { type: 'run.begin', workerId: worker.workerId, worker: factsOf(worker), input } as const;
    await admitted(hooks.admit, command, () =>
      journal.commit(worker, (state) => {
        if (this.#isDraining || this.#isHolding) throw new RuntimeError('RUNTIME_STOPPING');
        if (execution.isFenced || findExecutionState(worker)?.execution !== execution)
          throw new RuntimeError('EXECUTION_LOST');
        const accepted = input && { ...input, ...ids, parts: partsWithFiles(state.files, input.parts) };
        return beginRun(state, runId, accepted);
      }),
    );
  }

  detachAtDeadline(execution: Execution, driver: RunDriver): void {
    const { clock, limits } = this.#services;
    const cancelTimer = clock.after(limits.stopDeadlineMs, () => {
      const supervised = findExecutionState(execution.worker);
      if (supervised?.execution !== execution || execution.driver !== driver) return;
      // the run may end with the stop in progress, but not later than without it
      if (supervised.stopping) return supervised.stopDeadline?.shorten(0);
      driver.endDetached();
      this.#attachments.fence(execution);
      void this.#attachments.detachLate(execution);
    });
    void driver.settled.then(cancelTimer);
  }

  detachLost(execution: Execution, cause: unknown): void {
    const { worker, generation } = execution;
    execution.fence();
    if (findExecutionState(worker)?.execution !== execution) return;
    this.#attachments.fence(execution);
    this.#services.report({
      severity: 'error',
      code: LOST.code,
      message: LOST.message,
      worker: worker.workerId,
      details: { generation },
      cause,
    });
    void this.#attachments.detach(execution, 'lost');
    this.recordEnd(execution);
  }

  /** Records in the log that an execution has ended. By then, another one may have been attached. */
  recordEnd(execution: Execution, cause: 'crash' | 'deadline' = 'crash'): void {
    const { worker, driver } = execution;
    const end = driver?.cancelledEnd ?? ({ outcome: 'failed', error: LOST } as const);
    void this.#services.journal.persist(worker, (state) => {
      const leftover = driver?.leftover(state, end) ?? [];
      if (state.generation === execution.generation)
        return [...leftover, ...detachExecution(state, end, cause)];
      const { run } = state;
      return run?.generation === execution.generation
        ? [...leftover, ...finishRun(state, run.runId, end, this.startsNext(worker))]
        : [];
    });
  }

  // stop, recovery and shutdown

  /**
   * Stops a Worker. A call during a stop waits for it, and shortens its deadline to that of the call.
   * @throws STORE_UNAVAILABLE · STORE_FULL the execution has ended, but the stop could not be stored
   */
  async stop(worker: Worker, deadlineMs: number, remark: Remark): Promise<StopOutcome> {
    const supervised = executionStateOf(worker.ensureLive(this.#services.limits));
    if (supervised.stopping) {
      supervised.stopDeadline?.shorten(deadlineMs);
      return { ...(await supervised.stopping), changed: false };
    }
    const { status, stopResult } = worker.state;
    if (status === 'stopped') return { changed: false, status, outcome: stopResult ?? 'graceful' };
    const deadline = new Deadline(this.#services.clock, deadlineMs);
    supervised.stopDeadline = deadline;
    supervised.stopping = this.#stop(worker, supervised, deadline, remark).finally(() => {
      deadline.cancel();
      supervised.stopDeadline = null;
      supervised.stopping = null;
    });
    return supervised.stopping;
  }

  async #stop(
    worker: Worker,
    { execution }: ExecutionState,
    deadline: Deadline,
    remark: Remark,
  ): Promise<StopOutcome> {
    this.#attachments.cancelAttach(worker);
    const outcome = execution && !(await this.#end(execution, 'stop', deadline)) ? 'detached' : 'graceful';
    if (execution) this.#attachments.fence(execution);
    if (execution && outcome === 'detached') void this.#attachments.detachLate(execution);
    const { journal } = this.#services;
    try {
      await journal
        .commit(worker, (state) => [
          ...(execution?.driver?.leftover(state, { outcome: 'cancelled' }) ?? []),
          ...stop(state, outcome, remark),
        ])
        .catch((error: unknown) => {
          // a full store accepts a stop without the text that no message has completed
          if (RuntimeError.from(error).code !== 'STORE_FULL') throw error;
          return journal.commit(worker, (state) => stop(state, outcome, remark));
        });
    } catch (error) {
      // the Worker is not stopped, but nothing runs any more: record that as soon as the store accepts it
      if (execution && worker.state.run) this.recordEnd(execution, 'deadline');
      throw error;
    }
    return { changed: true, status: 'stopped', outcome };
  }

  /** Asks an execution to end, and fences it. Returns false if it had not ended by the deadline. */
  async #end(execution: Execution, reason: 'stop' | 'shutdown', deadline: Deadline): Promise<boolean> {
    const { driver } = execution;
    driver?.cancel(reason);
    execution.cancel();
    const ending = (async () => {
      if (driver && driver.outcome === null) {
        await driver.settled;
        await driver.finished().catch(() => {});
      }
      await execution.detach(reason);
    })();
    const isInTime = await Promise.race([ending.then(() => true), deadline.passed.then(() => false)]);
    deadline.cancel();
    execution.fence();
    return isInTime;
  }

  /**
   * Ends a run that was active when the last process ended, as `interrupted`, unless it is to be continued. If the store
   * refuses that, the call returns and retries in the background: the log stays readable.
   */
  recover(worker: Worker): Promise<void> {
    const { run, generation } = worker.state;
    if (!run) return Promise.resolve();
    const end = { outcome: 'interrupted' } as const;
    const decide: Decision['decide'] = (state) => {
      if (state.run?.runId !== run.runId) return [];
      if (this.#continues(worker)) return detachRun(state);
      return state.generation === generation
        ? detachExecution(state, end, 'restart')
        : finishRun(state, run.runId, end, this.startsNext(worker));
    };
    return new Promise((resolve) => {
      void this.#services.journal.persist(worker, decide, () => resolve()).finally(resolve);
    });
  }

  /**
   * Starts no further run: inputs are queued. Resolves when the active runs have ended, at most after `waitMs`. Runs that wait for a person,
   * and runs that the next process continues, are not waited for.
   */
  async holdRuns(waitMs: number): Promise<void> {
    this.#isHolding = true;
    const runs = this.#attachments.workers.map(async (worker) => {
      const driver = findExecutionState(worker)?.execution?.driver;
      if (!driver || worker.status === 'waiting' || this.#continues(worker)) return;
      await driver.finished().catch(() => {});
    });
    await this.#within(waitMs, runs);
  }

  /**
   * Ends all executions: runs may continue for half of the time, are then asked to end, and are finally closed as
   * `interrupted`. Statuses and queued inputs stay as they are. Stops in progress end in this time, too. Returns in
   * time, even if the store does not confirm the ends.
   */
  async drain(deadlineMs: number): Promise<readonly string[]> {
    this.#isDraining = true;
    this.close();
    this.#attachments.close();
    const until = this.#services.clock.steadyMs() + deadlineMs;
    await this.#within(deadlineMs, this.#fenced);
    const states = (): readonly ExecutionState[] =>
      this.#attachments.workers.flatMap((worker) => findExecutionState(worker) ?? []);
    const stops = states().map(async ({ stopping, stopDeadline }) => {
      stopDeadline?.shorten(deadlineMs * DRAIN_RUNS);
      await stopping?.catch(() => {});
    });
    const finished = states().map(async ({ execution }) => {
      if (execution && this.#continues(execution.worker)) await execution.driver?.pauseAtStep();
      else await execution?.driver?.finished().catch(() => {});
    });
    await this.#within(deadlineMs * DRAIN_RUNS, finished);
    const interrupted = states().flatMap(({ execution }) =>
      execution?.driver?.outcome === null ? execution.worker.workerId : [],
    );
    const ends = states().map(async ({ execution, stopping }) => {
      if (!execution || stopping) return;
      if (execution.driver?.outcome === null && this.#continues(execution.worker))
        return this.#interrupt(execution);
      const deadline = new Deadline(this.#services.clock, deadlineMs * DRAIN_ENDS);
      const isEnded = await this.#end(execution, 'shutdown', deadline);
      if (!isEnded) execution.driver?.endDetached();
      this.#attachments.fence(execution);
      if (!isEnded) void this.#attachments.detachLate(execution);
      await execution.driver?.finished().catch(() => {});
    });
    await this.#within(until - this.#services.clock.steadyMs(), [...stops, ...ends]);
    return interrupted;
  }

  /** True if the run of a Worker goes on after an interruption. An engine that is not loaded may come back. */
  #continues({ state }: Worker): boolean {
    const engine = this.#engines.get(state.engine);
    const canContinue = engine === undefined || engine.capabilities.continues === true;
    return canContinue && mayContinue(state, this.#services.limits);
  }

  /** Detaches an execution from a run that the next start continues. The log gets nothing more of it. */
  async #interrupt(execution: Execution): Promise<void> {
    const { worker, driver } = execution;
    driver?.leave(new RuntimeError('RUNTIME_STOPPING'));
    this.#attachments.fence(execution);
    void this.#attachments.detach(execution, 'shutdown');
    await this.#services.journal.persist(worker, detachRun);
  }

  /** Waits for all of the work, at most `limitMs`. */
  async #within(limitMs: number, work: readonly Promise<unknown>[]): Promise<void> {
    const deadline = new Deadline(this.#services.clock, limitMs);
    await Promise.race([Promise.all(work), deadline.passed]);
    deadline.cancel();
  }

  /**
   * Fences and detaches every execution at once, because the journal refuses every commit. Callers that wait for the end of
   * a run receive the error. `drain` then waits for the engines.
   */
  fence(failure: RuntimeError): void {
    this.#isDraining = true;
    this.close();
    this.#attachments.close();
    for (const worker of this.#attachments.workers) {
      const execution = findExecutionState(worker)?.execution;
      if (!execution) continue;
      execution.driver?.endUnrecorded(failure);
      this.#attachments.fence(execution);
      this.#fenced.push(this.#attachments.detach(execution, 'shutdown'));
    }
  }

  /** Cancels the retries of queued inputs, and the time limit of runs. The next start finds what was not stored by then. */
  close(): void {
    this.#stalls.close();
    this.#services.runTimes.close();
  }
}
