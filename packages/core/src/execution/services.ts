import type { RunInput } from '../contracts/engine.ts';
import type { FileContent, FileDescription, FilePart } from '../contracts/file.ts';
import type { Hooks } from '../contracts/hooks.ts';
import type { Limits } from '../contracts/limits.ts';
import type { Logger } from '../contracts/logger.ts';
import type { TranscriptItem } from '../contracts/transcript.ts';
import type { CreateWorker } from '../contracts/worker.ts';
import type { Report } from '../diagnostics.ts';
import type { PendingInput } from '../domain/state.ts';
import type { Journal } from '../journal/journal.ts';
import type { SteadyClock } from '../steady-clock.ts';
import type { TimeLimit } from '../time-limit.ts';
import type { ByteSum } from '../workers/byte-sum.ts';
import type { InFlightTotal } from '../workers/in-flight-total.ts';
import type { Worker } from '../workers/worker.ts';

/** Creates Workers on behalf of an engine. */
export interface ChildCreator {
  /** Creates a Worker whose parent is `parent`. @throws as `createWorker` */
  createChild(parent: Worker, spec: CreateWorker): Promise<{ readonly workerId: string }>;
}

/** Reads conversations for engines. */
export interface HistoryReader {
  /**
   * Yields the conversation that the engine of a Worker still needs, page by page. Calls `assertAttached` before each page.
   */
  history(worker: Worker, assertAttached: () => void): AsyncIterable<TranscriptItem>;
}

/** Stores and reads the files of Workers for engines. */
export interface FileKeeper {
  /** @throws as `EngineContext.putFile` */
  put(worker: Worker, bytes: Uint8Array, description: FileDescription): Promise<FilePart>;
  /** @throws FILE_NOT_FOUND · STORE_CORRUPT · STORE_UNAVAILABLE */
  get(worker: Worker, digest: string): Promise<FileContent>;
}

/** Reads the inputs of runs from the log. */
interface RunInputReader {
  /** @throws WORKER_DAMAGED the log does not have the input any more · as the store */
  read(worker: Worker, input: PendingInput): Promise<RunInput>;
}

/** The parts of a runtime that all of its executions share. */
export interface ExecutionServices {
  readonly runtimeId: string;
  readonly clock: SteadyClock;
  readonly limits: Limits;
  readonly log: Logger;
  readonly report: (report: Report) => void;
  readonly hooks: Hooks;
  readonly journal: Journal;
  readonly children: ChildCreator;
  readonly files: FileKeeper;
  readonly reader: HistoryReader;
  readonly inputs: RunInputReader;
  /** `runTimeoutMs` of all runs. */
  readonly runTimes: TimeLimit;
  /** The inputs of active runs. */
  readonly activeInputs: ByteSum;
  /** The text that runs are streaming. */
  readonly inFlight: InFlightTotal;
}
