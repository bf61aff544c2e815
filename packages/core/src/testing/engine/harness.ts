import type { Engine } from '../../contracts/engine.ts';
import type { JsonObject } from '../../contracts/json.ts';
import type { WorkerInput } from '../../contracts/runtime-api.ts';

/** An engine of the test's own, and what it takes to have it do something. */
export interface EngineHarness {
  readonly engine: Engine;
  /** A config that it takes. */
  readonly config: JsonObject;
  /** Is answered with at least one message. */
  readonly input: WorkerInput;
  /** Is worked on, with something said early, until the run is told to end. */
  readonly longInput?: WorkerInput;
  /** Is answered with a text that has the marker in it. */
  echoInput?(marker: string): WorkerInput;
  /** Is answered with a text that has in it what the first input of the conversation said. */
  readonly recallInput?: WorkerInput;
  /** Called when the runtime has stopped. */
  dispose(): Promise<void>;
}

/**
 * - `config`: the engine refuses what it does not know in its config.
 * - `long`, `echo`, `recall`: the harness has such an input.
 */
export type EngineCapability = 'config' | 'long' | 'echo' | 'recall';

/** The capabilities that an engine or its harness has not, each with the reason. Their tests are skipped with that reason. */
export type LackingEngineCapabilities = Readonly<Partial<Record<EngineCapability, string>>>;
