import type { Limits } from './limits.ts';
import type { EventQuery, ObserveOptions, RuntimeApi, RuntimeStatus, WatchOptions } from './runtime-api.ts';
import type { RuntimeError } from './runtime-error.ts';
import type { RawPage, WatchStream, WorkerStream } from './stream.ts';

/** A runtime as plugins and transports see it: the public API, its status, and reads that return stored bytes. */
export interface ServedRuntime extends RuntimeApi {
  /** @throws RUNTIME_NOT_READY until the store is open, because the store holds the id */
  readonly runtimeId: string;
  readonly status: RuntimeStatus;
  /** The STORE_LOST error that ended the runtime; null unless its store was lost. The status is then `failed`. */
  readonly failure: RuntimeError | null;
  readonly limits: Limits;
  /** Resolves when the runtime accepts commands; rejects when its start fails. */
  readonly ready: Promise<void>;
  /** Returns the labels of a Worker; null if there is no such Worker. */
  labelsOf(workerId: string): Readonly<Record<string, string>> | null;
  /** Reads a page of events as the bytes that are stored. @throws as `events` */
  readEvents(workerId: string, query?: EventQuery): Promise<RawPage>;
  /** Opens a stream of one Worker. The caller closes it. @throws as `events` · LIMIT_REACHED */
  openStream(workerId: string, options?: Omit<ObserveOptions, 'signal'>): Promise<WorkerStream>;
  /** Opens a stream of all Workers. The caller closes it. @throws CURSOR_INVALID · LIMIT_REACHED */
  openWatch(options?: Omit<WatchOptions, 'signal'>): WatchStream;
}
