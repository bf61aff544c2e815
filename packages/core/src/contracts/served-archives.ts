import type { Cursor } from './cursor.ts';
import type { Page, WorkerDetail } from './runtime-api.ts';

/** A stopped Worker that could be archived. */
export interface StoppedWorker {
  readonly workerId: string;
  readonly log: string;
  /** The time of its last event. */
  readonly updatedAt: string;
  /** The size of its events and files in the store. */
  readonly sizeBytes: number;
  readonly lastSeq: number;
}

/** The stopped Workers to list: those that have all of this. */
export interface StoppedQuery {
  /** The least time since the last event. */
  readonly stoppedForMs?: number;
  readonly leastBytes?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly after?: Cursor;
}

/** The end of the log of an archived Worker. */
export interface ArchivedEnd {
  readonly log: string;
  readonly seq: number;
}

/** Archives of a runtime that runs: copies of all of it, and stopped Workers that leave it and come back. */
export interface ServedArchives {
  /**
   * Returns the bytes of an archive: of all Workers as they are at this moment, or of one that is stopped. They are whole only if the
   * iteration ends without an error. @throws WORKER_NOT_FOUND · WORKER_NOT_STOPPED · WORKER_DAMAGED
   */
  open(workerId?: string): AsyncIterable<Uint8Array>;
  /** Lists stopped Workers in order of creation, as pages. @throws INVALID_REQUEST · CURSOR_INVALID */
  list(query: StoppedQuery): Promise<Page<StoppedWorker>>;
  /**
   * Removes a stopped Worker whose archive ends where its log ends. @throws WORKER_NOT_FOUND · WORKER_NOT_STOPPED · INVALID_REQUEST it
   * has other events than its archive
   */
  remove(workerId: string, end: ArchivedEnd, call?: { readonly actor?: string }): Promise<void>;
  /**
   * Adds the Worker of an archive, with a new log: cursors of the former one are refused with CURSOR_FOREIGN. It happens as a whole or not
   * at all, also for a kill at any moment. @throws ARCHIVE_CORRUPT · WORKER_EXISTS · LIMIT_REACHED · STORE_FULL · STORE_UNAVAILABLE
   */
  put(archive: Uint8Array): Promise<WorkerDetail>;
}
