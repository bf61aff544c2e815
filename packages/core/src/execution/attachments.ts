import type { DetachReason, Engine } from '../contracts/engine.ts';
import type { NewEvent } from '../contracts/event.ts';
import type { JsonObject } from '../contracts/json.ts';
import { limitReached, RuntimeError } from '../contracts/runtime-error.ts';
import type { Claims } from '../domain/claims.ts';
import { assertRunnable, attachExecution, needsExecution } from '../domain/decide.ts';
import type { WorkerState } from '../domain/state.ts';
import { publicError } from '../plugin-kit/public-text.ts';
import type { StoreReads } from '../store-reads.ts';
import { configBlobOf } from '../workers/config-blob.ts';
import type { PrivateRecord, Worker } from '../workers/worker.ts';
import { Execution, type ExecutionOwner } from './execution.ts';
import { type ExecutionState, executionStateOf, findExecutionState } from './execution-state.ts';
import type { ExecutionServices } from './services.ts';

export interface AttachmentsOptions {
  readonly services: ExecutionServices;
  readonly owner: ExecutionOwner & {
    /** Records in the log that an execution has ended. */
    recordEnd(execution: Execution): void;
  };
  readonly reads: Pick<StoreReads, 'record' | 'blob'>;
  readonly engines: ReadonlyMap<string, Engine>;
  readonly claims: Claims;
}

/** Decides what the attaching of an execution commits. */
export type DecideAttached = (state: WorkerState, generation: number) => readonly NewEvent[];

/** Checks the state again in the turn, because a stop may have come while the engine attached. */
const attachedIfRunnable: DecideAttached = (state, generation) => {
  assertRunnable(state);
  return attachExecution(state, generation);
};

/**
 * Tracks which Workers have an execution, which executions are connecting, and which were detached without having
 * settled. Limits the time that an engine may take to attach, and makes one attempt per Worker at a time.
 */
export class Attachments {
  readonly #options: AttachmentsOptions;
  readonly #attached = new Set<Worker>();
  readonly #connecting = new Map<Worker, Execution>();
  readonly #unsettled = new Set<Execution>();
  #isClosed = false;

  constructor(options: AttachmentsOptions) {
    this.#options = options;
  }

  /** The Workers that have an execution. */
  get workers(): readonly Worker[] {
    return [...this.#attached];
  }

  /**
   * Returns the attached execution, or attaches a new one and commits the events of `decide`. Concurrent calls share
   * one attempt.
   * @throws ENGINE_UNAVAILABLE · LIMIT_REACHED · as `decide`; then nothing is attached and nothing was committed
   */
  attach(worker: Worker, decide: DecideAttached = attachedIfRunnable): Promise<Execution> {
    const state = executionStateOf(worker.ensureLive(this.#options.services.limits));
    if (state.execution) return Promise.resolve(state.execution);
    state.attaching ??= this.#attach(worker, state, decide).finally(() => {
      state.attaching = null;
    });
    return state.attaching;
  }

  async #attach(worker: Worker, state: ExecutionState, decide: DecideAttached): Promise<Execution> {
    const { services, owner, engines } = this.#options;
    const { engine: name, generation } = worker.state;
    const engine = engines.get(name);
    if (!engine) {
      throw new RuntimeError('ENGINE_UNAVAILABLE', `The engine "${name}" is not loaded`, {
        details: { engine: name },
      });
    }
    const { unsettledExecutions } = services.limits;
    if (this.#unsettled.size >= unsettledExecutions) {
      throw limitReached(
        'unsettledExecutions',
        unsettledExecutions,
        'Too many detached executions have not ended yet',
      );
    }
    const record = await this.recordOf(worker);
    const execution = new Execution(worker, engine, generation + 1, record, services, owner);
    this.#connecting.set(worker, execution);
    try {
      if (this.#isClosed) throw new RuntimeError('RUNTIME_STOPPING');
      await this.#connect(engine, execution);
      await services.journal.commit(
        worker,
        (current) => {
          if (this.#isClosed) throw new RuntimeError('RUNTIME_STOPPING');
          const events = decide(current, execution.generation);
          if (execution.isFenced)
            throw new RuntimeError('ENGINE_UNAVAILABLE', 'The execution was lost while its engine attached');
          return events;
        },
        {
          applied: () => {
            // a commit in doubt may be applied after its caller was rejected and the execution was detached
            if (execution.isFenced) return owner.recordEnd(execution);
            state.execution = execution;
            this.#attached.add(worker);
          },
        },
      );
      return execution;
    } catch (error) {
      execution.fence();
      void this.detach(execution, 'creation');
      throw error;
    } finally {
      this.#connecting.delete(worker);
    }
  }

  /**
   * Reads the private record that was stored when the Worker was created, with the config that it has now.
   * @throws WORKER_DAMAGED the config is lost
   */
  async recordOf(worker: Worker): Promise<PrivateRecord> {
    const { reads } = this.#options;
    const { log, isReconfigured, configDigest } = worker.state;
    const record = (worker.begin?.record ?? (await reads.record(log))) as unknown as PrivateRecord;
    if (!isReconfigured) return record;
    const config = await reads.blob(log, configBlobOf(configDigest));
    if (config === null) throw new RuntimeError('WORKER_DAMAGED', 'The config of the Worker is lost');
    return { ...record, config: JSON.parse(Buffer.from(config).toString()) as JsonObject };
  }

  /** Waits for the engine, at most `attachTimeoutMs`. A session that arrives later is detached. */
  async #connect(engine: Engine, execution: Execution): Promise<void> {
    const { clock, limits, report } = this.#options.services;
    const { worker } = execution;
    let isLate = false;
    const refuse = (message: string, cause: unknown): never => {
      const details = { engine: engine.name };
      // for queued inputs, `Stalls` reports the cause once, instead of one report per attempt
      if (!needsExecution(worker.state))
        report({
          severity: 'error',
          code: 'ENGINE_UNAVAILABLE',
          message,
          worker: worker.workerId,
          details,
          cause,
        });
      throw new RuntimeError('ENGINE_UNAVAILABLE', message, { cause, details });
    };
    const connecting = execution
      .connect(async (context) => engine.attach(context))
      .catch((error: unknown) =>
        error instanceof RuntimeError || isLate
          ? Promise.reject(error instanceof RuntimeError ? publicError(error) : error)
          : refuse(`The engine "${engine.name}" failed to attach`, error),
      );
    const late = new Promise<void>((resolve) => {
      const cancelTimer = clock.after(limits.attachTimeoutMs, () => {
        isLate = true;
        resolve();
      });
      connecting.then(cancelTimer, cancelTimer);
    });
    await Promise.race([connecting, late]);
    if (isLate) refuse(`The engine "${engine.name}" took too long to attach`, null);
  }

  /** Fences an execution and removes it from its Worker. */
  fence(execution: Execution): void {
    const { worker } = execution;
    const state = findExecutionState(worker);
    execution.fence();
    if (state?.execution === execution) state.execution = null;
    this.#attached.delete(worker);
  }

  /** Detaches an execution that missed its deadline, and reports it. Resolves when the execution has settled. */
  detachLate(execution: Execution): Promise<void> {
    const { services, claims } = this.#options;
    const { worker, generation } = execution;
    services.report({
      severity: 'warning',
      code: 'EXECUTION_DETACHED',
      message: 'An execution did not end by its deadline and was detached',
      worker: worker.workerId,
      details: { generation },
    });
    // fencing protects only the log: a detached execution may still write to what its Worker claimed
    const release = claims.linger(worker.workerId);
    return this.detach(execution, 'deadline').finally(release);
  }

  /** Cancels the attempt to attach an engine to a Worker, if one is in progress. */
  cancelAttach(worker: Worker): void {
    this.#connecting.get(worker)?.fence();
  }

  /** Refuses further attachments and cancels those in progress. */
  close(): void {
    this.#isClosed = true;
    for (const execution of this.#connecting.values()) execution.fence();
  }

  /** Detaches an execution and counts it as unsettled until it has settled. */
  detach(execution: Execution, reason: DetachReason): Promise<void> {
    this.#unsettled.add(execution);
    void execution.detach(reason);
    return execution.settled().finally(() => this.#unsettled.delete(execution));
  }
}
