import { admitted } from '../admission.ts';
import type { EventKey, ForkOrigin } from '../contracts/event.ts';
import type { WorkerSpec } from '../contracts/hooks.ts';
import type { JsonValue } from '../contracts/json.ts';
import type { IdempotencyOptions } from '../contracts/runtime-api.ts';
import { invalidRequest, limitReached, RuntimeError } from '../contracts/runtime-error.ts';
import type { CallOptions } from '../contracts/served-runtime.ts';
import type { ForkWorker } from '../contracts/worker.ts';
import { parseResource } from '../domain/claims.ts';
import { beginFork } from '../domain/decide.ts';
import { growthBetween } from '../domain/growth.ts';
import { emptyState } from '../domain/state.ts';
import { mintId } from '../id.ts';
import type { LogPosition } from '../log/cursor.ts';
import type { LogReader } from '../log/log-reader.ts';
import { callKey } from '../workers/idempotency.ts';
import { type PrivateRecord, Worker } from '../workers/worker.ts';
import type { CreationOptions } from './creation.ts';
import { assertConfig, assertTools, configDigestOf, engineNamed } from './engine-checks.ts';
import { ForkHistory } from './fork-history.ts';
import { checkCall, checkFork, checkOptions } from './requests.ts';

export interface ForkOptions extends CreationOptions {
  readonly reader: LogReader;
  /** Ends a creation that failed. */
  readonly cancel: (worker: Worker) => Promise<void>;
}

type Spec = WorkerSpec & { readonly engine: string };

interface Forked {
  readonly worker: Worker;
  readonly replayed: boolean;
}

/** The first and the longest delay between two attempts to remove what a fork has written that failed. */
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;

/**
 * Forks Workers, completely or not at all. The history is copied to a log that begins as one of a creation that did not complete. The commit
 * of `worker.forked` makes the Worker visible. What a failure or a crash before that commit has left is removed.
 */
export class Forks {
  readonly #options: ForkOptions;
  #inProgress = 0;

  constructor(options: ForkOptions) {
    this.#options = options;
  }

  async fork(
    source: Worker,
    request: ForkWorker,
    options: IdempotencyOptions & CallOptions,
  ): Promise<Forked> {
    const { limits, workers } = this.#options;
    const { idempotencyKey, permits } = options;
    checkOptions('creation', options);
    checkFork(request, limits);
    for (const [index, { resource }] of (request.claims ?? []).entries())
      parseResource(resource, `/claims/${index}/resource`);
    const call = checkCall(options);
    const asked = { fork: source.workerId, ...request } as unknown as JsonValue;
    const key = idempotencyKey === undefined ? null : callKey(idempotencyKey, asked);
    const known = key && workers.creationKeys.reserve(key);
    if (known) return { worker: workers.get(known.workerId), replayed: true };
    if (this.#inProgress >= limits.forks) {
      if (key) workers.creationKeys.release(key);
      throw limitReached('forks', limits.forks, 'Too many Workers are being forked');
    }
    this.#inProgress += 1;
    try {
      const { origin, end } = await this.#originOf(source, request);
      const spec = await this.#specOf(source, request);
      permits?.({ engine: spec.engine, tools: spec.tools, claims: spec.claims });
      const command = { type: 'worker.create', spec, initialInput: null } as const;
      const worker = await admitted(this.#options.hooks.admit, command, () =>
        this.#fork(source, spec, origin, end, { ...(key && { key: key.recorded }), ...call }),
      );
      if (key) workers.creationKeys.add({ hash: key.hash, digest: key.digest, workerId: worker.workerId });
      return { worker, replayed: false };
    } finally {
      this.#inProgress -= 1;
      if (key) workers.creationKeys.release(key);
    }
  }

  async #originOf(
    source: Worker,
    { at }: ForkWorker,
  ): Promise<{ readonly origin: ForkOrigin; readonly end: LogPosition }> {
    const { workerId, log } = source;
    if (source.isDamaged) throw new RuntimeError('WORKER_DAMAGED', undefined, { details: { workerId } });
    this.#options.reader.assertWhole(source);
    const end = at === undefined ? source.state.head : await this.#options.reader.locate(source, at);
    if (end.seq === 0)
      throw invalidRequest(
        [{ pointer: '/at', message: 'must be after the first event' }],
        'A fork begins with at least one event',
      );
    return { origin: { worker: workerId, log, seq: end.seq }, end };
  }

  /** Returns what the fork gets: what the source has now, without its claims. */
  async #specOf(source: Worker, request: ForkWorker): Promise<Spec> {
    const { engines, supervisor } = this.#options;
    const { engine: name, tools, profile, bundle, whenInterrupted, displayName, labels } = source.state;
    const engine = engineNamed(engines, name);
    if (engine.capabilities.forks !== true) {
      const message = `Workers of the engine "${name}" cannot be forked: it keeps a part of the conversation that is not in the log`;
      throw new RuntimeError('OPERATION_UNSUPPORTED', message, { details: { engine: name } });
    }
    const { config } = await supervisor.recordOf(source);
    assertConfig(engine, config);
    assertTools(engine, tools);
    return {
      workerId: request.workerId ?? mintId('worker'),
      engine: name,
      displayName: request.displayName === undefined ? displayName : request.displayName,
      labels: { ...(request.labels ?? labels) },
      parent: null,
      profile,
      bundle,
      config,
      tools,
      claims: (request.claims ?? []).map((claim) => ({ ...claim })),
      whenInterrupted,
    };
  }

  /** Reserves the id and the claims in one step, then writes the history, then commits the fork. */
  async #fork(
    source: Worker,
    spec: Spec,
    origin: ForkOrigin,
    end: LogPosition,
    call: Pick<CallOptions, 'actor'> & { readonly key?: EventKey },
  ): Promise<Worker> {
    const { workers, store, clock, limits, journal, assertRunning, cancel } = this.#options;
    assertRunning();
    const { workerId, engine, config, claims, displayName, labels, tools, whenInterrupted } = spec;
    const worker = new Worker({ ...emptyState(workerId, mintId('log')), engine }, null);
    workers.reserve(worker);
    let release = (): void => {};
    try {
      workers.claims.take(workerId, claims);
      release = workers.states.reserve(Math.max(0, growthBetween(null, source.state)));
    } catch (error) {
      workers.remove(worker);
      throw error;
    }
    const record: PrivateRecord = { version: 1, config, claims };
    const begin = { workerId, record: record as unknown as JsonValue };
    const limitMs = limits.commitTimeoutMs;
    const { log } = worker;
    const history = new ForkHistory({ store, clock, limitMs, origin, end, log, begin, assertRunning });
    try {
      worker.state = await history.write();
    } catch (error) {
      void this.#remove(worker, history);
      throw error;
    } finally {
      release();
    }
    const forked = {
      displayName,
      labels,
      configDigest: configDigestOf(config),
      tools,
      claims: claims.map(({ name, mode }) => ({ name, mode })),
      whenInterrupted,
      ...call,
    };
    try {
      await journal.commit(worker, (state) => {
        assertRunning();
        return beginFork(state, forked);
      });
    } catch (error) {
      await cancel(worker);
      throw error;
    }
    return worker;
  }

  /** Removes a history that did not complete, and then releases the id. The next start removes what cannot be removed. */
  async #remove(worker: Worker, history: ForkHistory): Promise<void> {
    const { workers, clock, assertRunning } = this.#options;
    for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS)) {
      try {
        assertRunning();
        await history.remove();
        break;
      } catch (error) {
        const { code } = RuntimeError.from(error);
        if (code === 'RUNTIME_STOPPING' || code === 'RUNTIME_MOVED' || code === 'STORE_LOST') return;
        await new Promise<void>((resolve) => clock.after(delayMs, resolve));
      }
    }
    workers.remove(worker);
  }
}
