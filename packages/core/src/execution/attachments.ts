import type { DetachReason, Engine } from '../contracts/engine.ts';
import type { NewEvent } from '../contracts/event.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { RuntimeStore } from '../contracts/store.ts';
import type { Claims } from '../domain/claims.ts';
import { assertRunnable, attached, startNext } from '../domain/decide.ts';
import type { WorkerState } from '../domain/state.ts';
import type { Live, PrivateRecord, Worker } from '../workers/worker.ts';
import { Execution } from './execution.ts';
import type { Supervision } from './supervision.ts';

export interface AttachmentsOptions {
  readonly supervision: Supervision;
  readonly store: RuntimeStore;
  readonly engines: ReadonlyMap<string, Engine>;
  readonly claims: Claims;
}

/** Also in the turn: a stop may have come while the engine was on its way. */
const attachedIfRunnable = (state: WorkerState, generation: number): readonly NewEvent[] => {
  assertRunnable(state);
  return attached(state, generation);
};

/**
 * Which Workers have an execution, which are about to get one, and which executions were let go without having ended.
 * An engine is given time to attach; whatever it does, one attempt a Worker is on at a time.
 */
export class Attachments {
  readonly #supervision: Supervision;
  readonly #store: RuntimeStore;
  readonly #engines: ReadonlyMap<string, Engine>;
  readonly #claims: Claims;
  readonly #attached = new Set<Worker>();
  /** Executions whose engine is on its way. */
  readonly #connecting = new Map<Worker, Execution>();
  readonly #unsettled = new Set<Execution>();
  #isClosed = false;

  constructor({ supervision, store, engines, claims }: AttachmentsOptions) {
    this.#supervision = supervision;
    this.#store = store;
    this.#engines = engines;
    this.#claims = claims;
  }

  /** The Workers that have an execution. */
  get workers(): readonly Worker[] {
    return [...this.#attached];
  }

  /**
   * An attached execution: the one there is, or a new one, made known by the events of `decide`. One attempt at a time.
   * @throws ENGINE_UNAVAILABLE · LIMIT_REACHED · as `decide`; then nothing is attached and nothing committed
   */
  attach(
    worker: Worker,
    decide: (state: WorkerState, generation: number) => readonly NewEvent[] = attachedIfRunnable,
  ): Promise<Execution> {
    const live = worker.ensureLive(this.#supervision.limits);
    if (live.execution) return Promise.resolve(live.execution);
    live.attaching ??= this.#attach(worker, live, decide).finally(() => {
      live.attaching = null;
    });
    return live.attaching;
  }

  async #attach(
    worker: Worker,
    live: Live,
    decide: (state: WorkerState, generation: number) => readonly NewEvent[],
  ): Promise<Execution> {
    const { state } = worker;
    const engine = this.#engines.get(state.engine);
    if (!engine) {
      throw new RuntimeError('ENGINE_UNAVAILABLE', `The engine "${state.engine}" is not loaded`, {
        details: { engine: state.engine },
      });
    }
    if (this.#unsettled.size >= this.#supervision.limits.unsettledExecutions) {
      throw new RuntimeError('LIMIT_REACHED', 'Too many detached executions have not ended yet', {
        details: { limit: 'unsettledExecutions', value: this.#supervision.limits.unsettledExecutions },
      });
    }
    const execution = new Execution(
      worker,
      state.generation + 1,
      await this.recordOf(worker),
      this.#supervision,
    );
    this.#connecting.set(worker, execution);
    try {
      if (this.#isClosed) throw new RuntimeError('RUNTIME_STOPPING');
      await this.#connect(worker, engine, execution);
      await this.#supervision.commit(
        worker,
        (current) => {
          if (this.#isClosed) throw new RuntimeError('RUNTIME_STOPPING');
          const events = decide(current, execution.generation);
          if (execution.isFenced)
            throw new RuntimeError('ENGINE_UNAVAILABLE', 'The execution was lost while it was attached');
          return events;
        },
        {
          applied: () => {
            // adopted after its caller was refused: the execution has been let go
            if (execution.isFenced) return this.#supervision.close(worker, execution);
            live.execution = execution;
            this.#attached.add(worker);
          },
        },
      );
      return execution;
    } catch (error) {
      execution.fence();
      void this.letGo(execution, 'creation');
      throw error;
    } finally {
      this.#connecting.delete(worker);
    }
  }

  /** What was resolved at the Worker's creation. */
  async recordOf(worker: Worker): Promise<PrivateRecord> {
    return (worker.begin?.record ?? (await this.#store.record(worker.state.log))) as unknown as PrivateRecord;
  }

  /** Waits for the engine, not longer than `attachTimeoutMs`. A session that comes later is let go at once. */
  async #connect(worker: Worker, engine: Engine, execution: Execution): Promise<void> {
    const { clock, limits, report } = this.#supervision;
    let isLate = false;
    const refuse = (message: string, cause: unknown): never => {
      const details = { engine: engine.name };
      // why inputs have to wait is told once, and not with each try
      if (startNext(worker.state).length === 0)
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
      .connect(async () => engine.attach(execution))
      .catch((error: unknown) =>
        error instanceof RuntimeError || isLate
          ? Promise.reject(error)
          : refuse(`The engine "${engine.name}" failed to attach`, error),
      );
    const late = new Promise<void>((resolve) => {
      const callOff = clock.after(limits.attachTimeoutMs, () => {
        isLate = true;
        resolve();
      });
      connecting.then(callOff, callOff);
    });
    await Promise.race([connecting, late]);
    if (isLate) refuse(`The engine "${engine.name}" took too long to attach`, null);
  }

  /** Fences an execution and takes it from its Worker. */
  drop(worker: Worker, execution: Execution): void {
    execution.fence();
    if (worker.live?.execution === execution) worker.live.execution = null;
    this.#attached.delete(worker);
  }

  /** Lets go of an execution that ignored its deadline, and says so. Resolves when it has ended after all. */
  abandon(worker: Worker, execution: Execution): Promise<void> {
    this.#supervision.report({
      severity: 'warning',
      code: 'EXECUTION_DETACHED',
      message: 'An execution ignored its deadline and was detached',
      worker: worker.workerId,
      details: { generation: execution.generation },
    });
    // fencing protects the log, not the world: what is detached may still write where its Worker claimed to
    const release = this.#claims.linger(worker.workerId);
    return this.letGo(execution, 'deadline').finally(release);
  }

  /** Ends the attempt that is on for a Worker, if there is one. */
  interrupt(worker: Worker): void {
    this.#connecting.get(worker)?.fence();
  }

  /** From here on nothing is attached. */
  close(): void {
    this.#isClosed = true;
    for (const execution of this.#connecting.values()) execution.fence();
  }

  /** Detaches an execution, and counts it until nothing of it is on any more. */
  letGo(execution: Execution, reason: DetachReason): Promise<void> {
    this.#unsettled.add(execution);
    void execution.detach(reason);
    return execution.settled().finally(() => this.#unsettled.delete(execution));
  }
}
