import type { RuntimeStatus } from '../contracts/runtime-api.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { RuntimeStore } from '../contracts/store.ts';
import { inTime } from '../in-time.ts';
import { memoryStore } from '../memory-store/memory-store.ts';
import { sweepIdle } from '../workers/idle-sweep.ts';
import { attachWaiting, type Opened, type OpeningOptions, openRuntime } from './assembly.ts';
import type { Registrations } from './registrations.ts';

export interface LifecycleOptions
  extends Pick<OpeningOptions, 'limits' | 'clock' | 'log' | 'hooks' | 'configuration' | 'report'> {
  readonly registrations: Registrations;
}

/**
 * The one start and the one stop of a runtime, step by step: which of them come in which order, and how long each may
 * take. In between it hands out what the runtime is made of, to whom the status allows it.
 */
export class Lifecycle {
  /** Resolves when the runtime runs; rejects when its start failed. */
  readonly ready: Promise<void>;
  readonly #options: LifecycleOptions;
  #status: RuntimeStatus = 'new';
  #areRunsEnded = false;
  #open: Opened | null = null;
  #startedAt = '';
  #starting: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | null = null;
  #callOffSweep: () => void = () => {};
  #becomeReady: () => void = () => {};
  #failReady: (error: unknown) => void = () => {};

  constructor(options: LifecycleOptions) {
    this.#options = options;
    this.ready = new Promise((resolve, reject) => {
      this.#becomeReady = resolve;
      this.#failReady = reject;
    });
    this.ready.catch(() => {});
  }

  get status(): RuntimeStatus {
    return this.#status;
  }

  get startedAt(): string {
    return this.#startedAt;
  }

  /** For what reads: also while the runtime stops. @throws RUNTIME_NOT_READY · RUNTIME_STOPPING */
  opened(): Opened {
    if (!this.#open) throw new RuntimeError('RUNTIME_NOT_READY');
    if (this.#status === 'stopped') throw new RuntimeError('RUNTIME_STOPPING');
    return this.#open;
  }

  /** For commands. @throws RUNTIME_NOT_READY · RUNTIME_STOPPING */
  running(): Opened {
    const open = this.opened();
    if (this.#status !== 'running') throw new RuntimeError('RUNTIME_STOPPING');
    return open;
  }

  /** @throws what failed; by then everything that was acquired is released, last first */
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
      this.#open = await openRuntime({
        ...this.#options,
        store,
        engines: registrations.engines,
        assertRunning: () => void this.running(),
        areRunsEnded: () => this.#areRunsEnded,
      });
      if (this.#status !== 'starting')
        throw new RuntimeError(this.#status === 'stopping' ? 'RUNTIME_STOPPING' : 'RUNTIME_NOT_READY');
      this.#status = 'running';
      this.#becomeReady();
      void attachWaiting(this.#open);
      this.#callOffSweep = sweepIdle(this.#open.workers, clock, limits.idleUnloadMs);
    } catch (error) {
      // a stop that came meanwhile waits for this, and says itself how it ended
      if (this.#status === 'starting') this.#status = 'failed';
      this.#failReady(error);
      // whoever started it is told by the error itself
      log.debug({ err: error }, 'The runtime did not start');
      this.#open?.supervisor.giveUp();
      this.#open?.journal.close();
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
    if (status === 'starting') {
      const starting = this.#starting.catch(() => {});
      await this.#inTime(starting, deadlineMs, 'the start');
    }
    if (status === 'running') await this.#end(reason, deadlineMs);
    this.#status = 'stopped';
  }

  async #end(reason: string, deadlineMs: number): Promise<void> {
    const { clock, hooks } = this.#options;
    this.#callOffSweep();
    const { supervisor, journal, streams, store } = this.opened();
    const until = clock.now() + deadlineMs;
    await supervisor.drain(deadlineMs * 0.6);
    this.#areRunsEnded = true;
    streams.wake();
    const controller = new AbortController();
    const callOff = clock.after(deadlineMs * 0.2, () => controller.abort());
    await this.#inTime(hooks.drain.promise({ signal: controller.signal, reason }), deadlineMs * 0.2, 'drain');
    callOff();
    supervisor.giveUp();
    journal.close();
    await this.#release(deadlineMs * 0.1);
    // what the others left: a store that can put things in order now opens faster next time
    await this.#close(store, Math.max(until - clock.now(), deadlineMs * 0.1));
  }

  /** Releases in reverse order of acquisition, all in the given time; one that fails or hangs keeps no other. */
  async #release(timeoutMs: number): Promise<void> {
    const { clock, registrations } = this.#options;
    const until = clock.now() + timeoutMs;
    for (const { plugin, release } of registrations.takeReleases()) {
      const restMs = Math.max(0, until - clock.now());
      await this.#inTime(Promise.resolve().then(release), restMs, `the release of "${plugin}"`);
    }
  }

  #close(store: RuntimeStore, timeoutMs: number): Promise<void> {
    return this.#inTime(
      Promise.resolve().then(() => store.close()),
      timeoutMs,
      'the closing of the store',
    );
  }

  /** Waits for a step, not longer than that. Its failure is a diagnostic, also one that comes later. */
  async #inTime(step: Promise<unknown>, timeoutMs: number, what: string): Promise<void> {
    const { clock, report } = this.#options;
    const failed = (cause: unknown): void =>
      report({
        severity: 'error',
        code: RuntimeError.from(cause, 'PLUGIN_FAILED').code,
        message: `While stopping, ${what} failed`,
        cause,
      });
    const attempt = step.catch(failed);
    await inTime(clock, timeoutMs, attempt, 'PLUGIN_TIMEOUT', `${what} took too long`).catch(failed);
  }
}
