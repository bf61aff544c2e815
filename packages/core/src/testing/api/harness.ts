import type { RuntimeApi } from '../../contracts/runtime-api.ts';
import type { ServedArchives } from '../../contracts/served-archives.ts';
import type { ScriptedEngine } from '../scripted-engine.ts';

/**
 * A running runtime, and the API under test in front of it. Each test has its own harness. Set `stopDeadlineMs` to
 * 1,000 and `shutdownDeadlineMs` to 2,000, because some tests wait until these deadlines have passed. The tests read
 * all other limits from the runtime's summary.
 */
export interface RuntimeApiHarness {
  /** The API under test. */
  readonly api: RuntimeApi;
  /** The runtime's engine, registered with the name "scripted". It must be the same object after a restart. */
  readonly engine: ScriptedEngine;
  /** Stops the runtime gracefully, starts another one on the same store, and returns its API. */
  restart?(): Promise<RuntimeApi>;
  /** Ends the runtime as `kill -9` would, starts another one on the same store, and returns its API. */
  kill?(): Promise<RuntimeApi>;
  /** Returns the archives of the runtime that runs now. */
  archives?(): ServedArchives;
  /** Stops the runtime and releases the harness's resources. Called once. */
  dispose(): Promise<void>;
}

/** The capabilities that a harness may lack: its methods, and that it returns each event byte for byte as it is stored. */
export type RuntimeApiCapability = 'restart' | 'kill' | 'archives' | 'storedEvents';

/** The capabilities that a harness lacks, each with the reason. The tests that need one are skipped. */
export type LackingApiCapabilities = Readonly<Partial<Record<RuntimeApiCapability, string>>>;
