import { isDeepStrictEqual } from 'node:util';
import { admitted } from '../admission.ts';
import type { Hooks, WorkerSpec } from '../contracts/hooks.ts';
import type { JsonObject } from '../contracts/json.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { CallOptions } from '../contracts/served-runtime.ts';
import type { UpdateWorker } from '../contracts/worker.ts';
import { update } from '../domain/decide.ts';
import type { WorkerState } from '../domain/state.ts';
import { storeInTime } from '../in-time.ts';
import { configBlobOf } from '../workers/config-blob.ts';
import { factsOf } from '../workers/views.ts';
import type { Worker } from '../workers/worker.ts';
import type { CreationOptions } from './creation.ts';
import { assertConfig, assertContinues, assertTools, configDigestOf } from './engine-checks.ts';
import { checkCall } from './requests.ts';

type UpdateOptions = Pick<
  CreationOptions,
  'engines' | 'journal' | 'supervisor' | 'store' | 'clock' | 'limits'
> & {
  readonly hooks: Hooks;
};

/**
 * Lets plugins prepare a new config and new tools, as for a creation. They may change nothing else of the Worker.
 * @throws CONFIG_UNSUPPORTED a plugin would change more
 */
const prepared = async (
  { hooks, supervisor }: UpdateOptions,
  worker: Worker,
  request: UpdateWorker,
): Promise<Pick<WorkerSpec, 'config' | 'tools'>> => {
  const { workerId, engine, displayName, labels, parent, profile, bundle, whenInterrupted } = worker.state;
  const { config: current, claims } = await supervisor.recordOf(worker);
  const config = structuredClone(request.config ?? current);
  const tools = [...(request.tools ?? worker.state.tools)];
  const kept = { workerId, engine, displayName, labels, parent, profile, bundle, claims, whenInterrupted };
  const spec = await hooks.prepare.promise({ ...kept, config, tools }, { engine, config, tools });
  const { config: _config, tools: _tools, ...rest } = spec;
  if (!isDeepStrictEqual(rest, kept)) {
    throw new RuntimeError('CONFIG_UNSUPPORTED', 'This change needs another Worker', {
      details: { engine },
    });
  }
  return spec;
};

/**
 * Changes a Worker. Another config is stored beside the log before the event that names its digest, so that neither exists
 * without the other.
 * @throws as `RuntimeApi.updateWorker`
 */
export const updateWorker = async (
  options: UpdateOptions,
  worker: Worker,
  request: UpdateWorker,
  { permits, ...call }: CallOptions,
): Promise<void> => {
  const { engines, journal, store, hooks, clock, limits } = options;
  const remark = checkCall(call);
  const { workerId, state } = worker;
  const engine = engines.get(state.engine);
  const isOfEngine =
    request.config !== undefined || request.tools !== undefined || request.whenInterrupted === 'continue';
  if (isOfEngine && !engine) {
    throw new RuntimeError('ENGINE_UNAVAILABLE', `The engine "${state.engine}" is not loaded`, {
      details: { engine: state.engine },
    });
  }
  let config: JsonObject | null = null;
  let change = request;
  const assertPermitted = ({ engine: name, tools: granted }: WorkerState): void => {
    const tools = (change.tools ?? []).filter((tool) => !granted.includes(tool));
    if (config !== null && (request.config !== undefined || tools.length > 0))
      permits?.({ engine: name, tools, claims: [] });
  };
  if (engine && request.whenInterrupted === 'continue') assertContinues(engine);
  if (engine && (request.config !== undefined || request.tools !== undefined)) {
    const spec = await prepared(options, worker, request);
    assertConfig(engine, spec.config);
    assertTools(engine, spec.tools);
    config = spec.config;
    change = { ...request, tools: spec.tools };
    assertPermitted(state);
  }
  const command = { type: 'worker.update', workerId, worker: factsOf(worker), update: request } as const;
  await admitted(hooks.admit, command, async () => {
    const digest = config && configDigestOf(config);
    if (config && digest !== null && digest !== worker.state.configDigest) {
      const written = store.putBlob(state.log, configBlobOf(digest), Buffer.from(JSON.stringify(config)));
      await storeInTime(clock, limits.commitTimeoutMs, written);
    }
    await journal.commit(worker, (current) => {
      // a tool that was removed in the meantime would be granted again
      assertPermitted(current);
      return update(current, change, digest, remark);
    });
  });
};
