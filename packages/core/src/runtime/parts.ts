import type { Bundles } from '../commands/bundles.ts';
import type { Creation } from '../commands/creation.ts';
import type { Files } from '../commands/files.ts';
import type { Forks } from '../commands/fork.ts';
import type { Inputs } from '../commands/inputs.ts';
import type { RunLog } from '../commands/run-log.ts';
import type { RunWaits } from '../commands/run-waits.ts';
import type { Engine } from '../contracts/engine.ts';
import type { RuntimeStore } from '../contracts/store.ts';
import type { Supervisor } from '../execution/supervisor.ts';
import type { Journal } from '../journal/journal.ts';
import type { LogReader } from '../log/log-reader.ts';
import type { Streams } from '../observation/streams.ts';
import type { Workers } from '../workers/workers.ts';

/** The parts of a runtime whose store is open. */
export interface Parts {
  readonly runtimeId: string;
  readonly store: RuntimeStore;
  readonly engines: ReadonlyMap<string, Engine>;
  readonly workers: Workers;
  readonly journal: Journal;
  readonly reader: LogReader;
  readonly streams: Streams;
  readonly supervisor: Supervisor;
  readonly creation: Creation;
  readonly forks: Forks;
  readonly files: Files;
  readonly inputs: Inputs;
  readonly runs: RunLog;
  readonly waits: RunWaits;
  readonly bundles: Bundles;
}
