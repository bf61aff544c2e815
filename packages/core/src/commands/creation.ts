import type { Clock } from '../contracts/clock.ts';
import type { Engine } from '../contracts/engine.ts';
import type { EventKey, NewEvent } from '../contracts/event.ts';
import type { Hooks, WorkerSpec } from '../contracts/hooks.ts';
import type { JsonValue } from '../contracts/json.ts';
import type { Limits } from '../contracts/limits.ts';
import type { CreateWorker, IdempotencyOptions } from '../contracts/runtime-api.ts';
import { type ErrorCode, RuntimeError } from '../contracts/runtime-error.ts';
import type { RuntimeStore } from '../contracts/store.ts';
import type { Report } from '../diagnostics.ts';
import { parseResource } from '../domain/claims.ts';
import { acceptInput, attached, remove } from '../domain/decide.ts';
import { emptyState } from '../domain/state.ts';
import type { Supervisor } from '../execution/supervisor.ts';
import { mintId } from '../id.ts';
import { inTime } from '../in-time.ts';
import type { Journal } from '../journal/journal.ts';
import { EMPTY_POSITION, type LogPosition } from '../log/cursor.ts';
import { digestOf, eventKey, hashOfKey } from '../workers/idempotency.ts';
import { type PrivateRecord, Worker } from '../workers/worker.ts';
import type { Workers } from '../workers/workers.ts';
import { settling } from './admission.ts';
import type { Bundles } from './bundles.ts';
import { type CheckedInput, checkCreate, checkInput } from './requests.ts';
import { assertTools } from './tools.ts';

export interface CreationOptions {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly hooks: Hooks;
  readonly engines: ReadonlyMap<string, Engine>;
  readonly bundles: Bundles;
  readonly workers: Workers;
  readonly journal: Journal;
  readonly supervisor: Supervisor;
  readonly store: RuntimeStore;
  readonly report: (report: Report) => void;
  readonly assertRunning: () => void;
}

export interface Created {
  readonly worker: Worker;
  readonly replayed: boolean;
  /** Somewhere before the initial input; null without one. */
  readonly before: LogPosition | null;
}

type Spec = WorkerSpec & { readonly engine: string };

/**
 * Makes Workers: all or nothing (P11). The log begins hidden with `worker.created`; only the commit that says
 * `execution.attached`, and accepts the initial input, lets the Worker show. A failure in between, or a crash, ends the
 * log with `worker.deleted`.
 */
export class Creation {
  readonly #options: CreationOptions;

  constructor(options: CreationOptions) {
    this.#options = options;
  }

  async create(request: CreateWorker, { idempotencyKey }: IdempotencyOptions): Promise<Created> {
    const { limits, workers, hooks, assertRunning } = this.#options;
    checkCreate(request, limits);
    const input =
      request.initialInput === undefined ? null : checkInput(request.initialInput, limits, '/initialInput');
    const key =
      idempotencyKey === undefined ? null : eventKey(idempotencyKey, request as unknown as JsonValue);
    const known = key && workers.creationKeys.reserve(key);
    if (known)
      return { worker: workers.get(known.workerId), replayed: true, before: input && EMPTY_POSITION };
    try {
      const spec = await this.#resolve(request);
      const initialInput = request.initialInput ?? null;
      return await settling(hooks.admit, { type: 'worker.create', spec, initialInput }, () => {
        assertRunning();
        return this.#make(spec, input, key);
      });
    } finally {
      if (key) workers.creationKeys.release(key);
    }
  }

  /** Defaults, the bundle's profile, then whatever the plugins make of it; and whether all of that can be honoured. */
  async #resolve(request: CreateWorker): Promise<Spec> {
    const { bundles, hooks, engines, workers, limits } = this.#options;
    const given: WorkerSpec = {
      workerId: request.workerId ?? mintId('worker'),
      engine: request.engine ?? null,
      displayName: request.displayName ?? null,
      labels: { ...request.labels },
      parent: request.parent ?? null,
      profile: request.profile ?? null,
      bundle: request.bundle ?? null,
      // kept as long as the Worker, and the caller may change its objects
      config: structuredClone(request.config ?? {}),
      tools: [...(request.tools ?? [])],
      claims: (request.claims ?? []).map((claim) => ({ ...claim })),
    };
    const bundled = given.bundle ? await bundles.resolve(given, given.bundle) : given;
    const spec = await hooks.prepare.promise(bundled, request);
    if (spec.profile !== null && (spec.engine === null || (spec === given && !given.bundle))) {
      throw new RuntimeError('PROFILE_INVALID', `Nothing here knows the profile "${spec.profile}"`, {
        details: { profile: spec.profile },
      });
    }
    if (spec.engine === null) {
      throw new RuntimeError('INVALID_REQUEST', 'An engine is required', {
        details: { issues: [{ pointer: '/engine', message: 'is required' }], engines: [...engines.keys()] },
      });
    }
    const engine = engines.get(spec.engine);
    if (!engine) {
      throw new RuntimeError('ENGINE_UNKNOWN', `There is no engine "${spec.engine}"`, {
        details: { engine: spec.engine, engines: [...engines.keys()] },
      });
    }
    const { engine: name, ...rest } = spec;
    // a plugin or a profile is checked like a caller
    checkCreate({ engine: name, ...rest }, limits);
    this.#checkConfig(engine, spec.config);
    assertTools(engine, spec.tools);
    if (spec.parent !== null && !workers.has(spec.parent)) {
      throw new RuntimeError('INVALID_REQUEST', 'The parent does not exist', {
        details: { issues: [{ pointer: '/parent', message: 'is not a Worker of this runtime' }] },
      });
    }
    for (const [index, { resource }] of spec.claims.entries())
      parseResource(resource, `/claims/${index}/resource`);
    return { ...spec, engine: spec.engine };
  }

  #checkConfig(engine: Engine, config: WorkerSpec['config']): void {
    try {
      engine.checkConfig?.(config);
    } catch (cause) {
      if (cause instanceof RuntimeError) throw cause;
      throw new RuntimeError('CONFIG_UNSUPPORTED', `The engine "${engine.name}" does not take this config`, {
        cause,
        details: { engine: engine.name },
      });
    }
  }

  /** Reserved in one step, before anything is awaited: the id, the place, the claims. */
  async #make(spec: Spec, input: CheckedInput | null, key: EventKey | null): Promise<Created> {
    const { workers, journal, supervisor, limits } = this.#options;
    const { workerId, claims, config } = spec;
    const record: PrivateRecord = { version: 1, config, claims };
    const state = { ...emptyState(workerId, mintId('log')), parent: spec.parent, engine: spec.engine };
    const worker = new Worker(state, { workerId, record: record as unknown as JsonValue });
    workers.reserve(worker);
    try {
      workers.claims.take(workerId, claims);
    } catch (error) {
      workers.forget(worker);
      throw error;
    }
    try {
      await journal.commit(worker, () => [this.#created(spec, key)]);
      const accepted = input && { inputId: mintId('input'), runId: mintId('run'), ...input };
      let before = worker.state.head;
      await supervisor.attach(worker, (current, generation) => {
        before = current.head;
        const begun = attached(current, generation);
        return accepted
          ? [...begun, ...acceptInput({ ...current, generation }, accepted, 'reject', null, limits)]
          : begun;
      });
      if (key) workers.creationKeys.add({ hash: hashOfKey(key.value), digest: key.digest, workerId });
      return { worker, replayed: false, before: accepted && before };
    } catch (error) {
      await this.undo(worker);
      throw error;
    }
  }

  #created(spec: Spec, key: EventKey | null): NewEvent {
    const { engine, displayName, labels, parent, profile, bundle, tools, claims, config } = spec;
    return {
      type: 'worker.created',
      data: {
        engine,
        displayName,
        labels,
        parent,
        profile,
        bundle,
        configDigest: `sha256-${Buffer.from(digestOf(config), 'base64url').toString('hex')}`,
        tools,
        claims: claims.map(({ name, mode }) => ({ name, mode })),
        ...(key && { key }),
      },
    };
  }

  /**
   * Takes back what began. Where the store does not take the end of the log either, this returns, and goes on behind:
   * until then the id stays reserved.
   */
  undo(worker: Worker): Promise<void> {
    const { supervisor } = this.#options;
    worker.isWithdrawn = true;
    return new Promise((resolve) => {
      void supervisor
        .persist(
          worker,
          (state) => (state.head.seq === 0 || state.phase === 'deleted' ? [] : remove(state, 'creation')),
          () => resolve(),
        )
        .then(() => this.discard(worker))
        .finally(resolve);
    });
  }

  /**
   * Removes what is left of a Worker whose log has ended, in bounded time. What cannot be removed now is at the next
   * start.
   */
  async discard(worker: Worker): Promise<void> {
    const { store, engines, workers, report, clock, limits } = this.#options;
    const { workerId, log, engine, head, creationKey } = worker.state;
    const isKnown = workers.knows(worker);
    if (creationKey && isKnown) workers.creationKeys.delete(hashOfKey(creationKey.value));
    const letGo = async (attempt: Promise<void>, limitMs: number, code: ErrorCode): Promise<void> => {
      try {
        await inTime(clock, limitMs, attempt, code, 'Removing a Worker took too long');
      } catch (cause) {
        report({
          severity: 'warning',
          code: RuntimeError.from(cause, code).code,
          message: 'What is left of a deleted Worker could not be removed',
          worker: workerId,
          cause,
        });
      }
    };
    if (head.seq > 0) await letGo(store.remove(log), limits.commitTimeoutMs, 'STORE_UNAVAILABLE');
    // the id may be another Worker's by now
    if (isKnown || workers.isFree(workerId)) {
      const forgetting = (async () => engines.get(engine)?.forget?.(workerId))();
      await letGo(forgetting, limits.stopDeadlineMs, 'ENGINE_FAILED');
    }
    workers.forget(worker);
  }
}
