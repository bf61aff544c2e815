import { RuntimeError } from '../contracts/runtime-error.ts';
import type { LogHead, RuntimeStore } from '../contracts/store.ts';
import { type Archive, type ArchiveBytes, checkArchive, contentOf } from './archive.ts';
import type { ArchivedLog } from './archive-item.ts';
import { importStateOf, pendingLog, putImportState } from './import-state.ts';
import { LogWriter } from './log-writer.ts';
import { checkStored } from './stored-check.ts';

/** An archive that was checked, and has one Worker. */
export interface WorkerArchive {
  readonly bytes: ArchiveBytes;
  readonly archive: Archive;
  readonly worker: ArchivedLog;
}

/** @throws ARCHIVE_CORRUPT · VERSION_UNSUPPORTED · PAYLOAD_TOO_LARGE · INVALID_REQUEST it is not the archive of one Worker */
export const checkWorkerArchive = async (bytes: ArchiveBytes, bodyBytes?: number): Promise<WorkerArchive> => {
  const archive = await checkArchive(bytes, bodyBytes);
  const { first: worker, beginning, end } = archive;
  if (beginning.content === 'worker' && worker !== null && end.workers === 1)
    return { bytes, archive, worker };
  const message =
    beginning.content === 'history'
      ? 'The archive has the history of a Worker and not the Worker, so it cannot be put back'
      : 'The archive is not that of one Worker';
  throw new RuntimeError('INVALID_REQUEST', message);
};

/** Removes what an import of a Worker has left that did not end. */
export const removePending = async (store: RuntimeStore): Promise<void> => {
  const state = await importStateOf(store);
  const log = pendingLog(state);
  if (state === null || log === null) return;
  await store.remove(log);
  await putImportState(store, { ...state, isComplete: true });
};

/**
 * Writes the Worker of an archive to an open store, as a new log, and compares it with the archive. Until it is complete, the log is no part
 * of the store. One at a time. @throws STORE_FULL · STORE_UNAVAILABLE it is not known whether the Worker is there · STORE_CORRUPT
 */
export const importWorker = async (
  { bytes, archive }: WorkerArchive,
  store: RuntimeStore,
  log: string,
): Promise<LogHead> => {
  const { digest } = archive;
  await removePending(store);
  await putImportState(store, { digest, isComplete: false, log });
  let writer: LogWriter | null = null;
  for await (const item of contentOf(bytes, archive)) {
    if (item.kind === 'log') writer = new LogWriter(store, item, undefined, log);
    else if (item.kind !== 'archive' && item.kind !== 'end') await writer?.add(item);
  }
  await writer?.written;
  const head = await store.head(log);
  await checkStored(contentOf(bytes, archive), store, new Map([[log, head]]), () => log);
  await putImportState(store, { digest, isComplete: true, log });
  return head;
};
