import type { JsonObject } from '@worker-runtime/core';
import { type Logger, RuntimeError, type RuntimePlugin } from '@worker-runtime/core';
import type { ServedRuntime } from '@worker-runtime/core/plugin-kit';

const COMPANION_ID = 'companion';

/** The Worker with which everyone in a workspace can talk. It has no tools and no access to the machine. */
export interface CompanionConfig {
  readonly engine: string;
  readonly displayName?: string;
  /** The configuration of the engine. */
  readonly config?: JsonObject;
}

/** The companion of a workspace, or the reason why there is none. */
export type CompanionState =
  | { readonly state: 'ready'; readonly workerId: string; readonly runtimeId: string }
  | { readonly state: 'none'; readonly reason: string };

const LABELS = { kind: 'companion' };

const none = (reason: string): CompanionState => ({ state: 'none', reason });

const forbidden = (): RuntimeError => new RuntimeError('FORBIDDEN', 'The companion has no tools');

/** Refuses tools for the companion to every caller. */
export const companionGuard = (): RuntimePlugin => ({
  name: 'companion-guard',
  apply({ hooks }) {
    hooks.admit.tapPromise(async (command) => {
      if (
        command.type === 'worker.create' &&
        command.spec.workerId === COMPANION_ID &&
        command.spec.tools.length > 0
      )
        throw forbidden();
      if (
        command.type === 'worker.update' &&
        command.workerId === COMPANION_ID &&
        (command.update.tools?.length ?? 0) > 0
      )
        throw forbidden();
      // an archive does not say here what its Worker may do
      if (command.type === 'worker.import' && command.workerId === COMPANION_ID) throw forbidden();
    });
  },
});

/** Returns the reason why an engine cannot execute the companion; null if it can. */
const refusalOf = async (runtime: ServedRuntime, name: string): Promise<string | null> => {
  const { engines } = await runtime.summary();
  const engine = engines.find((one) => one.name === name);
  if (engine === undefined) return `The workspace has no engine "${name}"`;
  const { tools = [], access = {} } = engine.capabilities;
  if (tools.length > 0) return `The engine "${name}" offers tools, and the companion must have none`;
  if (Object.values(access).includes(true))
    return `The engine "${name}" has access to the machine, and the companion must have none`;
  return null;
};

/**
 * Finds the companion of a workspace, or creates it. A Worker with its id that has tools or access is stopped. A companion that
 * is not possible is no error: the state says why.
 */
export const ensureCompanion = async (
  runtime: ServedRuntime,
  companion: CompanionConfig | null,
  log: Logger,
): Promise<CompanionState> => {
  if (companion === null) return none('The configuration of the workspace has no companion');
  const { engine, displayName = 'Companion', config } = companion;
  try {
    const reason = await refusalOf(runtime, engine);
    if (reason === null) {
      const request = {
        workerId: COMPANION_ID,
        engine,
        displayName,
        labels: LABELS,
        tools: [],
        ...(config && { config }),
      };
      await runtime.createWorker(request).catch((error: unknown) => {
        if (!(error instanceof RuntimeError) || error.code !== 'WORKER_EXISTS') throw error;
      });
    }
    const worker = await runtime.getWorker(COMPANION_ID).catch(() => null);
    if (worker === null) return none(reason ?? 'The companion was deleted');
    const { tools, capabilities, labels } = worker;
    const isBare =
      tools.length === 0 &&
      capabilities.tools.available.length === 0 &&
      !Object.values(capabilities.access).includes(true);
    if (reason === null && isBare && labels.kind === LABELS.kind)
      return { state: 'ready', workerId: COMPANION_ID, runtimeId: runtime.runtimeId };
    if (labels.kind === LABELS.kind)
      await runtime.stopWorker(COMPANION_ID, { reason: 'a companion must have no tools' });
    return none(reason ?? (isBare ? 'Another Worker has the id "companion"' : 'The companion has tools'));
  } catch (error) {
    const { code, message } = RuntimeError.from(error);
    log.error({ err: RuntimeError.from(error) }, 'there is no companion');
    return none(`${code}: ${message}`);
  }
};
