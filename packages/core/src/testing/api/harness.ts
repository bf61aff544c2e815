import type { RuntimeApi } from '../../contracts/runtime-api.ts';
import type { ScriptedEngine } from '../scripted-engine.ts';

/**
 * A runtime that runs, of the test's own. Its `stopDeadlineMs` should be a second and its `shutdownDeadlineMs` two: some
 * tests wait for them to pass. All other limits that the contract reaches are read from its summary.
 */
export interface RuntimeApiHarness {
  readonly api: RuntimeApi;
  /** The engine that is registered in the runtime under the name "scripted", and is so again after a restart. */
  readonly engine: ScriptedEngine;
  /** Stops the runtime as it is stopped in peace, and starts one on the same store. */
  restart?(): Promise<RuntimeApi>;
  /** Ends the runtime as `kill -9` would, and starts one on the same store. */
  kill?(): Promise<RuntimeApi>;
  /** Stops the runtime. */
  dispose(): Promise<void>;
}

export type RuntimeApiCapability = 'restart' | 'kill';

/** The capabilities that a harness has not, each with the reason. Their tests are skipped with that reason. */
export type LackingApiCapabilities = Readonly<Partial<Record<RuntimeApiCapability, string>>>;
