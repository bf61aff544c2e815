import type { Cursor } from './cursor.ts';
import type { Page } from './page.ts';
import type { WorkerDetail } from './worker.ts';

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

/** The first events of a Worker that could be archived. */
export interface OldHistory {
  readonly workerId: string;
  readonly log: string;
  /** The number of the last of these events, and its time. */
  readonly throughSeq: number;
  readonly throughTime: string;
  readonly events: number;
  readonly sizeBytes: number;
}

/** The history to list: that of Workers which have all of this. At least one of the first two is required. */
export interface HistoryQuery {
  /** The least age of the events. */
  readonly olderThanMs?: number;
  /** The number of the first event that is to stay. */
  readonly beforeSeq?: number;
  /** The least size of the events together. */
  readonly leastBytes?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly workerId?: string;
  readonly after?: Cursor;
}

/** The end of the first events of a log, and the name of the file that has them now. */
export interface ArchivedPart {
  readonly log: string;
  readonly throughSeq: number;
  /** At most 255 characters, and no path. Every reader of the Worker sees it. */
  readonly archive: string;
}

/** Archives of a runtime that runs: copies of all of it, stopped Workers that leave it and come back, and history that leaves it. */
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
  /**
   * Lists the first events of Workers that may be removed, in order of creation, as pages. Events that a run in progress, a queued input or
   * the engine still needs, and the last one, stay. @throws INVALID_REQUEST · CURSOR_INVALID · WORKER_NOT_FOUND
   */
  listHistory(query: HistoryQuery): Promise<Page<OldHistory>>;
  /**
   * Returns the bytes of an archive of the events of a Worker up to a number, without those that an earlier archive has. They are whole
   * only if the iteration ends without an error. @throws WORKER_NOT_FOUND · WORKER_DAMAGED · INVALID_REQUEST they are still needed
   */
  openHistory(workerId: string, throughSeq: number): AsyncIterable<Uint8Array>;
  /**
   * Removes the first events of a Worker, which an archive has. Positions, status, overview, usage, open requests and queued inputs stay; a reader
   * of the events gets CURSOR_EXPIRED with the name of the archive. It happens as a whole or not at all, also for a kill at any moment.
   * @throws WORKER_NOT_FOUND · WORKER_DAMAGED · INVALID_REQUEST they are still needed, or the log is another one · STORE_FULL ·
   * STORE_UNAVAILABLE an archive is being made, or it is not known whether it happened
   */
  removeHistory(workerId: string, part: ArchivedPart, call?: { readonly actor?: string }): Promise<void>;
}
