import type { Engine } from '../../contracts/engine.ts';
import type { JsonObject } from '../../contracts/json.ts';
import type { WorkerInput } from '../../contracts/worker.ts';

/** The engine under test, and inputs that make it do what the tests need. Each test has its own harness. */
export interface EngineHarness {
  /** The engine under test. The tests register it in one runtime after another. */
  readonly engine: Engine;
  /** A config that the engine accepts. */
  readonly config: JsonObject;
  /** An input that the engine answers with at least one message. */
  readonly input: WorkerInput;
  /** An input whose run produces an output soon and then continues until the runtime ends it. */
  readonly longInput?: WorkerInput;
  /** Returns an input that the engine answers with a text that contains the marker. */
  echoInput?(marker: string): WorkerInput;
  /** An input that the engine answers with a text that contains the text of the Worker's first input. */
  readonly recallInput?: WorkerInput;
  /** Releases the harness's resources. Called once, after the runtime has stopped. */
  dispose(): Promise<void>;
}

/**
 * The capabilities that an engine or its harness may lack:
 * - `config`: the engine refuses unknown keys in its config.
 * - `long`: the harness has `longInput`.
 * - `echo`: the harness has `echoInput`.
 * - `recall`: the harness has `recallInput`.
 */
export type EngineCapability = 'config' | 'long' | 'echo' | 'recall';

/** The capabilities that an engine or its harness lacks, each with the reason. The tests that need one are skipped. */
export type LackingEngineCapabilities = Readonly<Partial<Record<EngineCapability, string>>>;
