import { systemClock } from '../contracts/clock.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { LogHead, OpenedStore, RuntimeStore, StoredLog } from '../contracts/store.ts';
import { mintId } from '../id.ts';
import { contentOf } from './archive.ts';
import { encodeArchive } from './archive-bytes.ts';
import { type ArchiveFile, bytesOf, openArchive, writeArchive } from './archive-file.ts';
import { assertWhole, IMPORT_STATE, importStateOf, pendingLog, putImportState } from './import-state.ts';
import { LogWriter } from './log-writer.ts';
import { type OfflineOptions, withStore } from './offline.ts';
import { checkStored } from './stored-check.ts';
import { itemsOf } from './stored-items.ts';
import { checkWorkerArchive, importWorker } from './worker-archive.ts';

/** Logs that are written at the same time, so that a store can commit them together. */
const CONCURRENT_LOGS = 64;

export interface ImportOptions extends OfflineOptions {
  /** True if the store gets an id of its own: a copy that lives beside the runtime of the archive. */
  readonly isCopy?: boolean;
}

/** Leaves out the log of a Worker whose import did not end. */
async function* without(logs: OpenedStore['logs'], pending: string | null): AsyncGenerator<StoredLog> {
  for await (const log of logs) if (log.log !== pending) yield log;
}

/**
 * Writes all that a store keeps to a new file. No runtime may have the store open.
 * @throws STORE_LOCKED · STORE_INCOMPLETE · WORKER_DAMAGED · STORE_FULL · INVALID_REQUEST the file exists
 */
export const exportRuntime = (
  store: RuntimeStore,
  path: string,
  options: OfflineOptions = {},
): Promise<ArchiveFile> =>
  withStore(store, options, undefined, async ({ runtimeId, logs }) => {
    const state = await importStateOf(store);
    assertWhole(state);
    const whole = without(logs, pendingLog(state));
    const writtenAt = new Date((options.clock ?? systemClock).now()).toISOString();
    return writeArchive(
      path,
      encodeArchive(itemsOf({ store, runtimeId, content: 'runtime', logs: whole, writtenAt })),
    );
  });

type Heads = ReadonlyMap<string, LogHead>;

const headsOf = async (logs: OpenedStore['logs']): Promise<Heads> => {
  const heads = new Map<string, LogHead>();
  for await (const { log, head } of logs) heads.set(log, head);
  return heads;
};

/** Returns the logs that an earlier import of the same archive has begun. @throws INVALID_REQUEST the store has other content */
const begunIn = async (store: RuntimeStore, digest: string, logs: OpenedStore['logs']): Promise<Heads> => {
  const found = await headsOf(logs);
  const state = await importStateOf(store);
  if (state && !state.isComplete && state.log === null && state.digest === digest) return found;
  assertWhole(state);
  const names = await store.pluginStates();
  if (found.size === 0 && names.length === 0 && (await store.bundles()).length === 0) return found;
  throw new RuntimeError(
    'INVALID_REQUEST',
    'The store is not empty: import an archive of a runtime into an empty one',
  );
};

/** Writes all items. Logs that wait for the disk do so together. */
const writeItems = async (archive: ArchiveFile, store: RuntimeStore, begun: Heads): Promise<void> => {
  const writing = new Set<Promise<void>>();
  let current: LogWriter | null = null;
  const settle = async (): Promise<void> => {
    if (!current) return;
    const written: Promise<void> = current.written.then(() => void writing.delete(written));
    written.catch(() => {});
    writing.add(written);
    current = null;
    if (writing.size >= CONCURRENT_LOGS) await Promise.race(writing);
  };
  try {
    for await (const item of contentOf(bytesOf(archive.path), archive)) {
      if (item.kind === 'pluginState') await store.putPluginState(item.name, item.body);
      else if (item.kind === 'bundle') await store.putBundle({ digest: item.digest, body: item.body });
      else if (item.kind === 'log') {
        await settle();
        current = new LogWriter(store, item, begun.get(item.log));
      } else if (item.kind !== 'archive' && item.kind !== 'end') await current?.add(item);
    }
    await settle();
    await Promise.all(writing);
  } finally {
    // the store must not be closed under a write
    await Promise.allSettled(writing);
    await current?.written.catch(() => {});
  }
};

/**
 * Checks an archive, writes all of it to an empty store, opens that again, and compares it with the archive. Until that has succeeded, no
 * runtime opens the store (STORE_INCOMPLETE). A repeated call with the same archive continues after an interruption.
 * @throws ARCHIVE_CORRUPT · INVALID_REQUEST the store is not empty, or the archive is that of a Worker · STORE_CONFLICT the store belongs to
 * another runtime · STORE_LOCKED · STORE_FULL · STORE_CORRUPT
 */
export const importRuntime = async (
  path: string,
  store: RuntimeStore,
  { isCopy = false, ...options }: ImportOptions = {},
): Promise<ArchiveFile & { readonly runtimeId: string }> => {
  const archive = await openArchive(path);
  const { digest, beginning } = archive;
  if (beginning.content !== 'runtime')
    throw new RuntimeError('INVALID_REQUEST', 'The archive is not that of a runtime');
  const id = isCopy ? undefined : beginning.runtimeId;
  await withStore(store, options, id, async ({ logs }) => {
    const begun = await begunIn(store, digest, logs);
    await putImportState(store, { digest, isComplete: false, log: null });
    await writeItems(archive, store, begun);
  });
  return withStore(store, options, id, async ({ runtimeId, logs }) => {
    const heads = await headsOf(logs);
    await checkStored(contentOf(bytesOf(archive.path), archive), store, heads);
    const { workers, bundles, pluginStates } = archive.end;
    const names = (await store.pluginStates()).filter((name) => name !== IMPORT_STATE);
    const counts = [heads.size, (await store.bundles()).length, names.length];
    if (counts.join() !== [workers, bundles, pluginStates].join())
      throw new RuntimeError('STORE_CORRUPT', 'The store does not return what was imported');
    await putImportState(store, { digest, isComplete: true, log: null });
    return { ...archive, runtimeId };
  });
};

/**
 * Adds the Worker of an archive to a store that no runtime has open, with a new log, as a whole or not at all.
 * @throws ARCHIVE_CORRUPT · INVALID_REQUEST the archive is that of a runtime · WORKER_EXISTS · STORE_LOCKED · STORE_INCOMPLETE · STORE_FULL
 */
export const addWorker = async (
  path: string,
  store: RuntimeStore,
  options: OfflineOptions = {},
): Promise<ArchiveFile & { readonly runtimeId: string }> => {
  const checked = await checkWorkerArchive(bytesOf(path));
  const { workerId } = checked.worker;
  return withStore(store, options, undefined, async ({ runtimeId, logs }) => {
    const state = await importStateOf(store);
    assertWhole(state);
    let isTaken = false;
    for await (const log of without(logs, pendingLog(state))) isTaken ||= log.workerId === workerId;
    if (isTaken) throw new RuntimeError('WORKER_EXISTS', undefined, { details: { workerId } });
    await importWorker(checked, store, mintId('log'));
    return { path, ...checked.archive, runtimeId };
  });
};
