import { admitted } from '../admission.ts';
import type { Clock } from '../contracts/clock.ts';
import type { Engine } from '../contracts/engine.ts';
import type { InputPart, NewEvent } from '../contracts/event.ts';
import type { Hooks, WorkerSpec } from '../contracts/hooks.ts';
import type { JsonValue } from '../contracts/json.ts';
import type { Limits } from '../contracts/limits.ts';
import type { IdempotencyOptions } from '../contracts/runtime-api.ts';
import { type ErrorCode, invalidRequest, RuntimeError } from '../contracts/runtime-error.ts';
import type { CallOptions } from '../contracts/served-runtime.ts';
import type { RuntimeStore } from '../contracts/store.ts';
import type { CreateWorker } from '../contracts/worker.ts';
import type { Report } from '../diagnostics.ts';
import { parseResource } from '../domain/claims.ts';
import { acceptInput, attachExecution, remove } from '../domain/decide.ts';
import { sizeOfInput } from '../domain/size.ts';
import { emptyState, type WorkerState } from '../domain/state.ts';
import { partsWithFiles } from '../domain/stored-files.ts';
import type { Supervisor } from '../execution/supervisor.ts';
import { mintId } from '../id.ts';
import { inTime } from '../in-time.ts';
import type { Journal } from '../journal/journal.ts';
import { EMPTY_POSITION, encodeCursor, type LogPosition } from '../log/cursor.ts';
import { type CallKey, callKey, hashOfKey } from '../workers/idempotency.ts';
import { type PrivateRecord, Worker } from '../workers/worker.ts';
import type { Workers } from '../workers/workers.ts';
import type { Bundles } from './bundles.ts';
import { assertConfig, assertContinues, assertTools, configDigestOf, engineNamed } from './engine-checks.ts';
import type { Receipt } from './inputs.ts';
import { type CheckedInput, checkCall, checkCreate, checkInput, checkOptions } from './requests.ts';

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
  /** A position before the initial input; null if there is none. */
  readonly before: LogPosition | null;
  /** The receipt of the initial input of a new Worker, which is valid even if the log cannot be read. */
  readonly receipt?: Receipt;
}

type InitialInput = Omit<CheckedInput, 'parts'> & { readonly parts: readonly InputPart[] };

/** Returns a first input without files: files are stored beside the log of a Worker. @throws FILE_NOT_FOUND */
const withoutFiles = (input: CheckedInput): InitialInput => ({
  ...input,
  parts: partsWithFiles({}, input.parts),
});

/** The caller, as the events of a command have it. */
type Actor = Pick<CallOptions, 'actor'>;

type Spec = WorkerSpec & { readonly engine: string };

/**
 * Creates Workers, completely or not at all (P11). The log begins with `worker.created` while the Worker is invisible.
 * The commit that contains `execution.attached`, and accepts the initial input, makes the Worker visible. After a
 * failure or a crash before that commit, the log ends with `worker.deleted`.
 */
export class Creation {
  readonly #options: CreationOptions;

  constructor(options: CreationOptions) {
    this.#options = options;
  }

  /** Creates a Worker. `delegator` is the parent whose engine asks for it; null for any other caller. */
  async create(
    request: CreateWorker,
    options: IdempotencyOptions & CallOptions,
    delegator: Worker | null = null,
  ): Promise<Created> {
    const { limits, workers, hooks, assertRunning } = this.#options;
    const { idempotencyKey, permits } = options;
    checkOptions('creation', options);
    checkCreate(request, limits);
    const call = checkCall(options);
    const checked =
      request.initialInput === undefined ? null : checkInput(request.initialInput, limits, '/initialInput');
    const key =
      idempotencyKey === undefined ? null : callKey(idempotencyKey, request as unknown as JsonValue);
    const known = key && workers.creationKeys.reserve(key);
    if (known)
      return { worker: workers.get(known.workerId), replayed: true, before: checked && EMPTY_POSITION };
    try {
      const spec = await this.#resolve(request, permits);
      const input = checked && withoutFiles(checked);
      const command = { type: 'worker.create', spec, initialInput: request.initialInput ?? null } as const;
      return await admitted(hooks.admit, command, () => {
        assertRunning();
        return this.#create(spec, input, key, delegator, call);
      });
    } finally {
      if (key) workers.creationKeys.release(key);
    }
  }

  /** Applies defaults, the profile of the bundle and the `prepare` hook, then checks the result. */
  async #resolve(request: CreateWorker, permits: CallOptions['permits']): Promise<Spec> {
    const { bundles, hooks, engines, workers, limits } = this.#options;
    const given: WorkerSpec = {
      workerId: request.workerId ?? mintId('worker'),
      engine: request.engine ?? null,
      displayName: request.displayName ?? null,
      labels: { ...request.labels },
      parent: request.parent ?? null,
      profile: request.profile ?? null,
      bundle: request.bundle ?? null,
      // copied, because it is kept as long as the Worker and the caller may change its object
      config: structuredClone(request.config ?? {}),
      tools: [...(request.tools ?? [])],
      claims: (request.claims ?? []).map((claim) => ({ ...claim })),
      whenInterrupted: request.whenInterrupted ?? 'stop',
    };
    const bundled = given.bundle ? await bundles.resolve(given, given.bundle) : given;
    const spec = await hooks.prepare.promise(bundled, request);
    if (spec.profile !== null && (spec.engine === null || (spec === given && !given.bundle))) {
      throw new RuntimeError('PROFILE_INVALID', `No bundle or plugin defines the profile "${spec.profile}"`, {
        details: { profile: spec.profile },
      });
    }
    if (spec.engine === null) {
      throw invalidRequest([{ pointer: '/engine', message: 'is required' }], 'A Worker needs an engine', {
        engines: [...engines.keys()],
      });
    }
    const { engine: name, ...rest } = spec;
    // the result of plugins and profiles is checked like a request
    checkCreate({ engine: name, ...rest }, limits);
    permits?.({ engine: name, tools: spec.tools, claims: spec.claims });
    const engine = engineNamed(engines, name);
    assertConfig(engine, spec.config);
    assertTools(engine, spec.tools);
    if (spec.whenInterrupted === 'continue') assertContinues(engine);
    if (spec.parent !== null && !workers.has(spec.parent)) {
      throw invalidRequest(
        [{ pointer: '/parent', message: 'is not a Worker of this runtime' }],
        'The parent does not exist',
      );
    }
    for (const [index, { resource }] of spec.claims.entries())
      parseResource(resource, `/claims/${index}/resource`);
    return { ...spec, engine: name };
  }

  /** Reserves the id and the claims in one step, before the first await, then commits the creation. */
  async #create(
    spec: Spec,
    input: InitialInput | null,
    key: CallKey | null,
    delegator: Worker | null,
    call: Actor,
  ): Promise<Created> {
    const { workers, journal, supervisor, limits } = this.#options;
    const { workerId, claims, config } = spec;
    const record: PrivateRecord = { version: 1, config, claims };
    const { parent, engine } = spec;
    const delegatedBy = parent !== null && parent === delegator?.workerId ? delegator.log : null;
    const descent = { parent, ...(parent !== null && { delegatedBy }) };
    const state = { ...emptyState(workerId, mintId('log')), ...descent, engine };
    const worker = new Worker(state, { workerId, record: record as unknown as JsonValue });
    workers.reserve(worker);
    try {
      workers.claims.take(workerId, claims);
    } catch (error) {
      workers.remove(worker);
      throw error;
    }
    let release = (): void => {};
    let queued = false;
    try {
      await journal.commit(worker, () => [this.#created({ ...spec, ...descent }, key, call)]);
      const accepted = input && { inputId: mintId('input'), runId: mintId('run'), ...input, ...call };
      let before = worker.state.head;
      await supervisor.attach(worker, (current, generation) => {
        before = current.head;
        const begun = attachExecution(current, generation);
        if (!accepted) return begun;
        release = workers.openInputs.reserve(sizeOfInput(accepted));
        queued = supervisor.isHolding;
        return [
          ...begun,
          ...acceptInput({ ...current, generation }, accepted, 'reject', null, limits, queued),
        ];
      });
      if (key) workers.creationKeys.add({ hash: key.hash, digest: key.digest, workerId });
      if (!accepted) return { worker, replayed: false, before: null };
      const { inputId, runId } = accepted;
      // the event before it is `execution.attached`
      const seq = before.seq + 2;
      const receipt = { inputId, runId, seq, cursor: encodeCursor(worker.state.log, before), queued };
      return { worker, replayed: false, before, receipt };
    } catch (error) {
      await this.cancel(worker);
      throw error;
    } finally {
      release();
    }
  }

  #created(spec: Spec & Pick<WorkerState, 'delegatedBy'>, key: CallKey | null, call: Actor): NewEvent {
    const { engine, displayName, labels, parent, profile, bundle, tools, claims, config, delegatedBy } = spec;
    const { whenInterrupted } = spec;
    return {
      type: 'worker.created',
      data: {
        engine,
        displayName,
        labels,
        parent,
        ...(delegatedBy !== undefined && { delegatedBy }),
        profile,
        bundle,
        configDigest: configDigestOf(config),
        tools,
        claims: claims.map(({ name, mode }) => ({ name, mode })),
        ...(whenInterrupted !== 'stop' && { whenInterrupted }),
        ...(key && { key: key.recorded }),
        ...call,
      },
    };
  }

  /**
   * Cancels a creation that failed or did not complete. If the store refuses the end of the log, the call returns and
   * retries in the background; until then the id stays reserved.
   */
  cancel(worker: Worker): Promise<void> {
    const { journal } = this.#options;
    worker.isCancelled = true;
    return new Promise((resolve) => {
      void journal
        .persist(
          worker,
          (state) => (state.head.seq === 0 || state.phase === 'deleted' ? [] : remove(state, 'creation')),
          () => resolve(),
        )
        .then(() => this.removeData(worker))
        .finally(resolve);
    });
  }

  /**
   * Removes the log and all other data of a Worker whose log has ended, in bounded time. The next start removes what
   * cannot be removed now.
   */
  async removeData(worker: Worker): Promise<void> {
    const { store, engines, workers, report, clock, limits } = this.#options;
    const { workerId, log, engine, head, creationKey } = worker.state;
    const isKnown = workers.knows(worker);
    if (creationKey && isKnown) workers.creationKeys.delete(hashOfKey(creationKey.value));
    const bounded = async (attempt: Promise<void>, limitMs: number, code: ErrorCode): Promise<void> => {
      try {
        await inTime(clock, limitMs, attempt, code, 'The removal of a Worker took too long');
      } catch (cause) {
        report({
          severity: 'warning',
          code: RuntimeError.from(cause, code).code,
          message: 'The data of a deleted Worker could not be removed completely',
          worker: workerId,
          cause,
        });
      }
    };
    if (head.seq > 0) await bounded(store.remove(log), limits.commitTimeoutMs, 'STORE_UNAVAILABLE');
    // another Worker may have the id by now
    if (isKnown || workers.isFree(workerId)) {
      const forgetting = (async () => engines.get(engine)?.forget?.(workerId))();
      await bounded(forgetting, limits.stopDeadlineMs, 'ENGINE_FAILED');
    }
    workers.remove(worker);
  }
}
