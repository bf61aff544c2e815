import type { Metric } from '../contracts/metric.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { RuntimeStatus } from '../contracts/runtime-summary.ts';
import type { RuntimeStore } from '../contracts/store.ts';
import { inTime } from '../in-time.ts';
import { memoryStore } from '../memory-store/memory-store.ts';
import { sweepIdle } from '../workers/idle-sweep.ts';
import { type AssemblyOptions, openRuntime } from './assembly.ts';
import type { Parts } from './parts.ts';
import { attachWaiting } from './recovery.ts';
import type { Registrations } from './registrations.ts';

export interface LifecycleOptions
  extends Pick<AssemblyOptions, 'limits' | 'clock' | 'log' | 'hooks' | 'configuration' | 'report'> {
  readonly registrations: Registrations;
}

/** Shares of the deadline of a stop: for runs to end, for `drain` taps, and for the releases of plugins. */
const STOP_RUNS = 0.6;
const STOP_DRAIN = 0.2;
const STOP_RELEASES = 0.1;
/** The number of interrupted Workers that the log names. */
const LOGGED_WORKERS = 20;

/**
 * The one start and the one stop of a runtime: the order of their steps, and how long each may take. In between, gives
 * access to the parts of the runtime as far as its status allows.
 */
export class Lifecycle {
  /** Resolves when the runtime runs; rejects when its start failed. */
  readonly ready: Promise<void>;
  /** Resolves with the error when the store is lost. */
  readonly lost: Promise<RuntimeError>;
  readonly #options: LifecycleOptions;
  #status: RuntimeStatus = 'new';
  #areRunsEnded = false;
  /** The code for callers and streams after the end. */
  #endCode: 'RUNTIME_STOPPING' | 'RUNTIME_MOVED' = 'RUNTIME_STOPPING';
  /** True from the end of a successful start: then a stop has to release what the start acquired. */
  #hasStarted = false;
  #failure: RuntimeError | null = null;
  #parts: Parts | null = null;
  #startedAt = '';
  #starting: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | null = null;
  readonly #stopSignal = new AbortController();
  #cancelSweep: () => void = () => {};
  #becomeReady: () => void = () => {};
  #failReady: (error: unknown) => void = () => {};
  #becomeLost: (failure: RuntimeError) => void = () => {};

  constructor(options: LifecycleOptions) {
    this.#options = options;
    this.ready = new Promise((resolve, reject) => {
      this.#becomeReady = resolve;
      this.#failReady = reject;
    });
    this.ready.catch(() => {});
    this.lost = new Promise((resolve) => {
      this.#becomeLost = resolve;
    });
  }

  get status(): RuntimeStatus {
    return this.#status;
  }

  /** The STORE_LOST error that ended the runtime; null unless its store was lost. */
  get failure(): RuntimeError | null {
    return this.#failure;
  }

  /** The store that was registered; null if there is none. */
  get store(): RuntimeStore | null {
    return this.#options.registrations.store;
  }

  /** Returns the metrics of the store, in any state of the runtime. */
  storeMetrics(): readonly Metric[] {
    return this.#options.registrations.store?.metrics?.() ?? [];
  }

  get startedAt(): string {
    return this.#startedAt;
  }

  /**
   * The parts, for reads: available from recovery until the runtime has stopped.
   * @throws RUNTIME_NOT_READY · RUNTIME_STOPPING · STORE_LOST
   */
  opened(): Parts {
    if (this.#failure) throw this.#failure;
    if (!this.#parts) throw new RuntimeError('RUNTIME_NOT_READY');
    if (this.#status === 'stopped') throw new RuntimeError(this.#endCode);
    return this.#parts;
  }

  /** The parts, for commands. @throws RUNTIME_NOT_READY · RUNTIME_STOPPING · STORE_LOST */
  running(): Parts {
    const parts = this.opened();
    if (this.#status === 'starting') throw new RuntimeError('RUNTIME_NOT_READY');
    if (this.#status !== 'running') throw new RuntimeError(this.#endCode);
    return parts;
  }

  /** @throws the error of the step that failed, after everything acquired was released, last first */
  async start(): Promise<void> {
    if (this.#status !== 'new') throw new TypeError('A runtime starts once');
    this.#status = 'starting';
    this.#starting = this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    const { clock, limits, log, hooks, registrations } = this.#options;
    const store = registrations.store ?? memoryStore();
    this.#startedAt = new Date(clock.now()).toISOString();
    registrations.closeTaps();
    try {
      await hooks.start.promise();
      this.#parts = await openRuntime({
        ...this.#options,
        store,
        engines: registrations.engines,
        assertRunning: () => void this.running(),
        areRunsEnded: () => this.#areRunsEnded,
        endCode: () => this.#endCode,
        stopping: this.#stopSignal.signal,
        failure: () => this.#failure,
        storeLost: (failure) => this.#endLost(failure),
      });
      if (this.#failure) throw this.#failure;
      if (this.#status === 'starting') await hooks.opened.promise();
      // a stop, or the loss of the store, may have come during any step
      if (this.#failure) throw this.#failure;
      if (this.#status !== 'starting')
        throw new RuntimeError(this.#status === 'stopping' ? 'RUNTIME_STOPPING' : 'RUNTIME_NOT_READY');
      this.#status = 'running';
      this.#hasStarted = true;
      this.#becomeReady();
      void attachWaiting(this.#parts);
      this.#cancelSweep = sweepIdle(this.#parts.workers, clock, limits.idleUnloadMs);
    } catch (error) {
      // a stop that came in the meantime waits for this, and sets the status itself
      if (this.#status === 'starting') this.#status = 'failed';
      this.#failReady(error);
      // the caller receives the error itself
      log.debug({ err: error }, 'The runtime did not start');
      this.#parts?.supervisor.close();
      this.#parts?.journal.close();
      await this.#release(limits.shutdownDeadlineMs);
      await this.#close(store, limits.shutdownDeadlineMs);
      throw error;
    }
  }

  stop(reason: string, deadlineMs: number): Promise<void> {
    this.#stopping ??= this.#stop(reason, deadlineMs);
    return this.#stopping;
  }

  async #stop(reason: string, deadlineMs: number): Promise<void> {
    const { status } = this;
    if (status === 'starting' || status === 'running') this.#status = 'stopping';
    this.#stopSignal.abort();
    if (status === 'starting') {
      const starting = this.#starting.catch(() => {});
      await this.#inTime(starting, deadlineMs, 'the start');
    }
    if (this.#hasStarted) await this.#end(reason, deadlineMs);
    this.#status = 'stopped';
  }

  /**
   * Ends the runtime so that another process can continue: holds runs for at most `waitMs`, then calls `leaving`, then stops. From
   * `leaving` on, callers and streams get RUNTIME_MOVED. A stop, or the loss of the store, cuts the wait short.
   */
  async handOver(waitMs: number, leaving: () => void | Promise<void>, deadlineMs: number): Promise<void> {
    const stopped = new Promise<void>((resolve) => {
      this.#stopSignal.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([this.running().supervisor.holdRuns(waitMs), stopped, this.lost]);
    await leaving();
    this.#endCode = 'RUNTIME_MOVED';
    await this.stop('handover', deadlineMs);
  }

  /** Ends the runtime at once, without its store, because another process may continue from now on. */
  fence(): void {
    this.#endCode = 'RUNTIME_MOVED';
    this.#endLost(new RuntimeError('RUNTIME_MOVED'));
  }

  /**
   * Ends the runtime after its store was lost: nothing can be recorded any more, so every execution is fenced and detached,
   * and readers and callers receive the error. Plugins keep their resources until `stop`.
   */
  #endLost(failure: RuntimeError): void {
    if (this.#failure || this.#status === 'stopped') return;
    this.#failure = failure;
    this.#areRunsEnded = true;
    if (this.#status === 'running') this.#status = 'failed';
    this.#options.report({
      severity: 'error',
      code: failure.code,
      message: `The runtime has ended: ${failure.message}`,
      cause: failure,
    });
    this.#cancelSweep();
    if (this.#parts) {
      const { journal, supervisor, streams } = this.#parts;
      journal.fence(failure);
      supervisor.fence(failure);
      streams.wake();
    }
    this.#becomeLost(failure);
  }

  async #end(reason: string, deadlineMs: number): Promise<void> {
    const { clock, hooks, log } = this.#options;
    this.#cancelSweep();
    const { supervisor, journal, streams, store } = this.#parts as Parts;
    const until = clock.steadyMs() + deadlineMs;
    const interrupted = await supervisor.drain(deadlineMs * STOP_RUNS);
    if (interrupted.length > 0)
      log.info(
        { runs: interrupted.length, workers: interrupted.slice(0, LOGGED_WORKERS) },
        'the stop has interrupted runs',
      );
    this.#areRunsEnded = true;
    streams.wake();
    const controller = new AbortController();
    const cancelTimer = clock.after(deadlineMs * STOP_DRAIN, () => controller.abort());
    await this.#inTime(
      hooks.drain.promise({ signal: controller.signal, reason }),
      deadlineMs * STOP_DRAIN,
      'drain',
    );
    cancelTimer();
    supervisor.close();
    journal.close();
    await this.#release(deadlineMs * STOP_RELEASES);
    // the store gets the time that the other steps left, because an orderly close makes the next start faster
    await this.#close(store, Math.max(until - clock.steadyMs(), deadlineMs * STOP_RELEASES));
  }

  /** Calls the releases in reverse order of acquisition, within the given time. One that fails or hangs does not block the others. */
  async #release(timeoutMs: number): Promise<void> {
    const { clock, registrations } = this.#options;
    const until = clock.steadyMs() + timeoutMs;
    for (const { plugin, release } of registrations.takeReleases()) {
      const restMs = Math.max(0, until - clock.steadyMs());
      await this.#inTime(Promise.resolve().then(release), restMs, `the release of "${plugin}"`);
    }
  }

  #close(store: RuntimeStore, timeoutMs: number): Promise<void> {
    // what still waits for an append in progress would be written after the close, perhaps into the log of the next process
    this.#parts?.journal.fence(new RuntimeError('RUNTIME_STOPPING'));
    return this.#inTime(
      Promise.resolve().then(() => store.close()),
      timeoutMs,
      'closing the store',
    );
  }

  /** Waits for a step, at most `timeoutMs`. Reports its failure as a diagnostic, also if it comes later. */
  async #inTime(step: Promise<unknown>, timeoutMs: number, what: string): Promise<void> {
    const { clock, report } = this.#options;
    const failed = (cause: unknown): void =>
      report({
        severity: 'error',
        code: RuntimeError.from(cause, 'PLUGIN_FAILED').code,
        message: `During the stop, ${what} failed`,
        cause,
      });
    const attempt = step.catch(failed);
    await inTime(clock, timeoutMs, attempt, 'PLUGIN_TIMEOUT', `${what} took too long`).catch(failed);
  }
}
