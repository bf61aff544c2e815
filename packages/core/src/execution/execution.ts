import type { DetachReason, Engine, EngineContext, EngineSession, RunInput } from '../contracts/engine.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { CurrentRun, PendingInput } from '../domain/state.ts';
import type { CommitOptions } from '../journal/journal.ts';
import type { Commit, Decision } from '../journal/turn.ts';
import type { PrivateRecord, Worker } from '../workers/worker.ts';
import { contextOf } from './engine-context.ts';
import { checkedRunInput } from './engine-output.ts';
import { RunDriver, type RunHost } from './run-driver.ts';
import type { ExecutionServices } from './services.ts';

/** Decides for one execution what concerns its Worker as a whole. */
export interface ExecutionOwner {
  /** True if a queued input may start as soon as a run of the Worker has ended. */
  startsNext(worker: Worker): boolean;
  /** Detaches the execution if its run, which was asked to end, has not ended within `stopDeadlineMs`. */
  detachAtDeadline(execution: Execution, driver: RunDriver): void;
  /** Fences and detaches an execution whose engine reported that it is lost. */
  detachLost(execution: Execution, cause: unknown): void;
  /** Starts a run that no command asked for. @throws WORKER_BUSY · RUNTIME_STOPPING · EXECUTION_LOST */
  beginRun(execution: Execution, input: RunInput | null): Promise<void>;
}

/** @throws TypeError the value that an engine attached with is not a session */
const assertSession = (session: unknown): void => {
  const { run, detach } = (session ?? {}) as { readonly [K in keyof EngineSession]?: unknown };
  if (typeof run !== 'function' || typeof detach !== 'function')
    throw new TypeError('attach() must resolve with a session: an object with the methods run and detach');
};

/**
 * One attached engine of a Worker, and the host of its runs: everything that a run driver needs of the runtime is bound
 * to this Worker. A fenced execution is dead: its engine context throws and its output is refused. Fencing protects the
 * log but not the outside world, so a fenced execution is counted until it has settled.
 */
export class Execution implements RunHost {
  readonly worker: Worker;
  readonly generation: number;
  readonly services: ExecutionServices;
  readonly record: PrivateRecord;
  readonly #engine: Engine;
  readonly #owner: ExecutionOwner;
  #session: EngineSession | null = null;
  #connecting: Promise<void> = Promise.resolve();
  #rejectConnect: () => void = () => {};
  #driver: RunDriver | null = null;
  #controller: AbortController | null = null;
  #isCancelled = false;
  #isFenced = false;
  #detached: Promise<void> | null = null;

  constructor(
    worker: Worker,
    engine: Engine,
    generation: number,
    record: PrivateRecord,
    services: ExecutionServices,
    owner: ExecutionOwner,
  ) {
    this.worker = worker;
    this.generation = generation;
    this.record = record;
    this.services = services;
    this.#engine = engine;
    this.#owner = owner;
  }

  /** Aborted when the execution has to end. Created on first use, because most engines never read it. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isCancelled) this.#controller.abort();
    return this.#controller.signal;
  }

  /** The media types that the engine takes for this Worker. Absent if it takes no files. */
  get files(): readonly string[] | undefined {
    return this.#session?.files ?? this.#engine.capabilities.files;
  }

  /** The driver of the run that is in progress, or whose engine is; null at rest. */
  get driver(): RunDriver | null {
    return this.#driver;
  }

  get isFenced(): boolean {
    return this.#isFenced;
  }

  /**
   * Connects the engine by `attach`, which receives the engine's context. Rejects as soon as the execution is fenced; a
   * session that arrives later is detached.
   * @throws ENGINE_UNAVAILABLE · as `attach`
   */
  connect(attach: (context: EngineContext) => Promise<EngineSession>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#rejectConnect = () => {
        reject(new RuntimeError('ENGINE_UNAVAILABLE', 'The execution was ended while its engine attached'));
      };
      this.#connecting = attach(contextOf(this))
        .then((session) => {
          assertSession(session);
          this.#session = session;
          resolve();
        })
        .catch(reject);
    });
  }

  /**
   * Starts a driver for a run that the log has started. Returns null if no engine is connected. Without `input`, the
   * driver reads the input of the run from the log.
   */
  start(run: CurrentRun, input: RunInput | null): RunDriver | null {
    if (this.#session) this.#driver = new RunDriver(run, input, this.#session, this);
    return this.#driver;
  }

  /** Asks the engine to end, by its signal. */
  cancel(): void {
    this.#isCancelled = true;
    this.#controller?.abort();
  }

  /** Refuses all output of this execution from now on. */
  fence(): void {
    this.#isFenced = true;
    this.#rejectConnect();
    this.cancel();
    this.#driver?.fence();
  }

  /** Detaches the session, once. Resolves when the engine has detached or has failed to. */
  detach(reason: DetachReason): Promise<void> {
    this.#detached ??= this.#connecting
      .then(() => this.#session?.detach(reason))
      .catch((error: unknown) =>
        this.services.report({
          severity: 'warning',
          code: 'ENGINE_FAILED',
          message: 'An engine failed to detach',
          worker: this.worker.workerId,
          details: { generation: this.generation },
          cause: error,
        }),
      );
    return this.#detached;
  }

  /** Resolves when no run and no detach of this execution is in progress. */
  async settled(): Promise<void> {
    await this.#driver?.settled;
    await this.#detached;
  }

  /** @throws EXECUTION_LOST the execution is fenced */
  assertAttached(): void {
    if (this.#isFenced) throw new RuntimeError('EXECUTION_LOST', 'This execution is detached');
  }

  /** Reports that the engine is lost. Has no effect on a fenced execution. */
  lost(cause: unknown): void {
    if (!this.#isFenced) this.#owner.detachLost(this, cause);
  }

  async beginRun(input: RunInput | null): Promise<void> {
    return this.#owner.beginRun(this, input && checkedRunInput(input, this.services.limits.eventBytes));
  }

  // what a run driver needs

  commit(decide: Decision['decide'], options?: CommitOptions): Promise<Commit> {
    return this.services.journal.commit(this.worker, decide, options);
  }

  readInput(input: PendingInput): Promise<RunInput> {
    return this.services.inputs.read(this.worker, input);
  }

  persist(decide: Decision['decide'], failed?: (error: RuntimeError) => void): Promise<RuntimeError | null> {
    return this.services.journal.persist(this.worker, decide, failed);
  }

  allowsRequests(): boolean {
    return this.#engine.capabilities.requests === true;
  }

  startsNext(): boolean {
    return this.#owner.startsNext(this.worker);
  }

  detachAtDeadline(driver: RunDriver): void {
    this.#owner.detachAtDeadline(this, driver);
  }

  release(driver: RunDriver): void {
    if (this.#driver === driver) this.#driver = null;
  }
}
