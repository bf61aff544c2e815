import type { EngineContext, RunInput } from '../contracts/engine.ts';
import type { PrivateRecord, Worker } from '../workers/worker.ts';
import { handled } from './handled.ts';
import type { ExecutionServices } from './services.ts';

/** An execution, as far as its engine's context needs it. */
interface ContextSource {
  readonly worker: Worker;
  readonly generation: number;
  readonly services: ExecutionServices;
  readonly record: PrivateRecord;
  readonly signal: AbortSignal;
  /** @throws EXECUTION_LOST */
  assertAttached(): void;
  lost(cause: unknown): void;
  beginRun(input: RunInput | null): Promise<void>;
}

/**
 * The frozen object that an engine receives: exactly the members of `EngineContext`, so that no engine can reach the
 * execution itself. Members that may change, or that are costly, are getters.
 */
export const contextOf = (execution: ContextSource): EngineContext => {
  const { worker, generation, services, record } = execution;
  const guarded = async <T>(call: () => Promise<T>): Promise<T> => {
    execution.assertAttached();
    const result = await call();
    execution.assertAttached();
    return result;
  };
  return Object.freeze<EngineContext>({
    runtimeId: services.runtimeId,
    workerId: worker.workerId,
    generation,
    config: record.config,
    get labels() {
      return worker.state.labels;
    },
    get tools() {
      return worker.state.tools;
    },
    claims: record.claims,
    get signal() {
      return execution.signal;
    },
    log: services.log,
    get recorded() {
      return worker.state.recorded;
    },
    history: () => {
      execution.assertAttached();
      return services.reader.history(worker, () => execution.assertAttached());
    },
    putFile: (bytes, description) => handled(guarded(() => services.files.put(worker, bytes, description))),
    getFile: (digest) => handled(guarded(() => services.files.get(worker, digest))),
    beginRun: (input) => handled(guarded(() => execution.beginRun(input ?? null))),
    lost: (error) => execution.lost(error),
    createChild: (spec) => handled(guarded(() => services.children.createChild(worker, spec))),
  });
};
