import type { Claim } from '../contracts/claim.ts';
import type { DetachReason, EngineContext, EngineSession, RunInput } from '../contracts/engine.ts';
import type { JsonObject, JsonValue } from '../contracts/json.ts';
import type { Logger } from '../contracts/logger.ts';
import type { CreateWorker } from '../contracts/runtime-api.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { TranscriptItem } from '../contracts/transcript.ts';
import type { CurrentRun } from '../domain/state.ts';
import type { PrivateRecord, Worker } from '../workers/worker.ts';
import { unheard } from './handled.ts';
import { RunDriver } from './run-driver.ts';
import type { Supervision } from './supervision.ts';

/**
 * One attached execution of a Worker, and what its engine sees of the runtime. Fenced, it is dead: its context
 * throws, its output is dropped. Fencing protects the log, not the world, so it stays counted until it has settled.
 */
export class Execution implements EngineContext {
  readonly generation: number;
  readonly config: JsonObject;
  readonly claims: readonly Claim[];
  readonly #worker: Worker;
  readonly #supervision: Supervision;
  #session: EngineSession | null = null;
  #connecting: Promise<void> = Promise.resolve();
  #giveUp: () => void = () => {};
  #driver: RunDriver | null = null;
  #controller: AbortController | null = null;
  #isAborted = false;
  #isFenced = false;
  #detached: Promise<void> | null = null;

  constructor(
    worker: Worker,
    generation: number,
    { config, claims }: PrivateRecord,
    supervision: Supervision,
  ) {
    this.#worker = worker;
    this.generation = generation;
    this.config = config;
    this.claims = claims;
    this.#supervision = supervision;
  }

  get runtimeId(): string {
    return this.#supervision.runtimeId;
  }

  get workerId(): string {
    return this.#worker.workerId;
  }

  get tools(): readonly string[] {
    return this.#worker.state.tools;
  }

  get recorded(): JsonValue {
    return this.#worker.state.recorded;
  }

  get log(): Logger {
    return this.#supervision.log;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isAborted) this.#controller.abort();
    return this.#controller.signal;
  }

  get driver(): RunDriver | null {
    return this.#driver;
  }

  get isFenced(): boolean {
    return this.#isFenced;
  }

  history(): AsyncIterable<TranscriptItem> {
    this.#assertAttached();
    return this.#supervision.history(this.#worker, () => this.#assertAttached());
  }

  beginRun(input?: RunInput): Promise<void> {
    return unheard(this.#guarded(() => this.#supervision.beginRun(this.#worker, this, input ?? null)));
  }

  lost(error: unknown): void {
    if (!this.#isFenced) this.#supervision.lost(this.#worker, this, error);
  }

  createChild(spec: CreateWorker): Promise<{ readonly workerId: string }> {
    return unheard(this.#guarded(() => this.#supervision.createChild(this.#worker, spec)));
  }

  /**
   * Connects the engine. Fenced meanwhile, this rejects at once, and the session that comes is let go.
   * @throws ENGINE_UNAVAILABLE · as `attach`
   */
  connect(attach: () => Promise<EngineSession>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#giveUp = () => {
        reject(new RuntimeError('ENGINE_UNAVAILABLE', 'The execution had to end while it was attached'));
      };
      this.#connecting = attach().then((session) => {
        this.#session = session;
        resolve();
      }, reject);
    });
  }

  start(run: CurrentRun): void {
    if (!this.#session) return;
    this.#driver = new RunDriver(this.#worker, run, this.#session, this.#supervision);
    this.#worker.ensureLive(this.#supervision.limits).driver = this.#driver;
  }

  /** Tells the engine that it has to end. */
  abort(): void {
    this.#isAborted = true;
    this.#controller?.abort();
  }

  /** From here on nothing of this execution reaches the log. */
  fence(): void {
    this.#isFenced = true;
    this.#giveUp();
    this.abort();
    this.#driver?.abandon();
  }

  /** Lets the session go, once. Resolves when the engine says so, or failed to. */
  detach(reason: DetachReason): Promise<void> {
    this.#detached ??= this.#connecting
      .then(() => this.#session?.detach(reason))
      .catch((error: unknown) =>
        this.#supervision.report({
          severity: 'warning',
          code: 'ENGINE_FAILED',
          message: 'An engine failed to detach',
          worker: this.workerId,
          details: { generation: this.generation },
          cause: error,
        }),
      );
    return this.#detached;
  }

  /** Resolves when neither a run nor a detach of it is on any more. */
  async settled(): Promise<void> {
    await this.#driver?.settled;
    await this.#detached;
  }

  #assertAttached(): void {
    if (this.#isFenced) throw new RuntimeError('EXECUTION_LOST', 'This execution is detached');
  }

  async #guarded<T>(call: () => Promise<T>): Promise<T> {
    this.#assertAttached();
    const result = await call();
    this.#assertAttached();
    return result;
  }
}
