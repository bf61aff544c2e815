import { join } from 'node:path';
import { mintId, RuntimeError, type StoreFinding, type StoreHost } from '@worker-runtime/core';
import { type Catalog, catalogHeader, checkpointLine } from '../checkpoint/catalog.ts';
import { Checkpoints } from '../checkpoint/checkpoints.ts';
import type { Disk } from '../disk/disk.ts';
import { diskFailure } from '../disk/disk-failure.ts';
import { FilePool } from '../disk/file-pool.ts';
import { Lane } from '../disk/lane.ts';
import { Backlog } from '../files/backlog.ts';
import { BundleFiles } from '../files/bundle-files.ts';
import { inspect } from '../files/inspection.ts';
import type { LogEntry } from '../files/log-entry.ts';
import { rescue } from '../files/rescue.ts';
import { WorkerFiles } from '../files/worker-files.ts';
import {
  checkVersion,
  type FoundIdentity,
  type Identity,
  readIdentity,
  writeIdentity,
} from '../layout/identity.ts';
import type { Layout } from '../layout/layout.ts';
import { type Recovered, recover } from '../recovery/store-recovery.ts';
import { WriteAheadLog } from '../wal/write-ahead-log.ts';
import type { Settings } from './settings.ts';
import { Session } from './store-directory.ts';

/** Logs whose files are looked at while the store opens; those of larger stores when they are first touched. */
const INSPECTED_LOGS = 1_000;

export interface OpeningOptions {
  /** False: the next checkpoint writes the whole catalog anew. */
  readonly keepsCatalog?: boolean;
}

export interface Opened {
  readonly runtimeId: string;
  readonly session: Session;
}

/** Whether a directory was never a store: nothing is in it that one would leave. */
const isUnused = async (disk: Disk, layout: Layout, identity: FoundIdentity): Promise<boolean> => {
  if (identity !== 'missing') return false;
  for (const path of [layout.wal, layout.workers, layout.bundles]) {
    if ((await disk.list(path)).length > 0) return false;
  }
  return (await disk.size(layout.catalog).catch(() => 0)) === null;
};

const makeDirectories = async (disk: Disk, layout: Layout): Promise<void> => {
  for (const path of [layout.wal, layout.workers, layout.bundles, layout.trash])
    await disk.makeDirectory(path);
  await disk.syncDirectory(layout.root);
};

/** Says whose store it is. The catalog's checksum makes it the better witness. */
const identify = (found: FoundIdentity, recovered: Recovered, report: StoreHost['report']): string => {
  const told = typeof found === 'string' ? null : found.runtimeId;
  const runtimeId = recovered.runtimeId ?? told;
  if (runtimeId === null) {
    throw new RuntimeError(
      'STORE_CORRUPT',
      'The store does not say whose it is: identity, catalog and log are lost',
    );
  }
  if (told !== runtimeId) {
    report({
      severity: recovered.entries.size === 0 ? 'info' : 'warning',
      code: 'IDENTITY_DAMAGED',
      message: 'The identity of the store was missing or damaged; it was restored',
      details: { file: 'runtime', phase: 'open' },
    });
  }
  return runtimeId;
};

const hasChanged = (found: FoundIdentity, runtimeId: string, host: StoreHost): boolean => {
  if (typeof found === 'string' || found.runtimeId !== runtimeId) return true;
  return JSON.stringify((found as Identity).configuration) !== JSON.stringify(host.configuration);
};

const FIRST_CHECKPOINT = { checkpoint: 1, segment: 0, offset: 0, lsn: 1, lines: 0, isClean: true } as const;

const lastOf = (catalog: Catalog | null) =>
  catalog?.checkpoint ? { checkpoint: catalog.checkpoint, bytes: catalog.bytes, base: catalog.base } : null;

/**
 * Opens a directory that is locked for this process.
 *
 * @throws STORE_VERSION · STORE_CORRUPT · STORE_UNAVAILABLE · STORE_FULL
 */
export const openDirectory = async (
  settings: Settings,
  host: StoreHost,
  epoch: number,
  { keepsCatalog = true }: OpeningOptions = {},
): Promise<Opened> => {
  const { disk, layout } = settings;
  const report = (finding: StoreFinding): void => host.report(finding);
  const identity = await readIdentity(disk, layout);
  if (typeof identity !== 'string') checkVersion(identity.version);
  const isNew = await isUnused(disk, layout, identity);
  await makeDirectories(disk, layout);
  const freshId = isNew ? mintId('runtime') : null;
  if (freshId !== null) {
    await disk.replace(layout.catalog, [
      Buffer.from(catalogHeader(freshId) + checkpointLine(FIRST_CHECKPOINT)),
    ]);
  }
  const files = new WorkerFiles(disk, layout, new FilePool(disk, settings.openFiles));
  let log: WriteAheadLog | null = null;
  const backlog = new Backlog({
    files,
    limitBytes: settings.behindBytes,
    syncedLsn: () => log?.syncedLsn ?? 0,
    syncLog: async () => log?.sync(),
    inspect: (entry) => inspect(entry, files, disk, report),
    rescue: (entry, behind, count) => rescue({ disk, layout, report }, entry, behind, count),
    report,
  });
  const recovered = await recover({ disk, layout, backlog, report });
  checkVersion(recovered.version);
  const runtimeId = identify(
    freshId === null ? identity : { ...EMPTY, runtimeId: freshId },
    recovered,
    report,
  );
  if (hasChanged(identity, runtimeId, host)) {
    await writeIdentity(disk, layout, runtimeId, host.configuration).catch((error: unknown) => {
      if (freshId !== null) throw error;
      report({
        severity: 'warning',
        code: 'IDENTITY_UNWRITTEN',
        message: 'The configuration could not be noted beside the identity',
        details: { file: 'runtime', phase: 'open' },
        detail: error,
      });
    });
  }
  const { replayed, entries } = recovered;
  log = new WriteAheadLog({
    disk,
    layout,
    runtimeId,
    epoch: Math.max(epoch, replayed.epoch + 1),
    end: replayed.end,
    lastSegment: replayed.lastSegment,
    syncIntervalMs: settings.syncIntervalMs,
    segmentBytes: settings.segmentBytes,
    queueBytes: settings.queueBytes,
    admit: () => backlog.relief(),
    report,
  });
  const checkpoints = new Checkpoints({
    disk,
    layout,
    runtimeId,
    log,
    backlog,
    files,
    entries: () => entries.values(),
    snapshotOf: (id) => host.snapshotOf(id),
    report,
    lagBytes: settings.checkpointBytes,
    closingMs: settings.closingMs,
    last: keepsCatalog ? lastOf(recovered.catalog) : null,
  });
  for (const entry of recovered.touched) checkpoints.restore(entry);
  for (const entry of recovered.removed) checkpoints.remove(entry);
  for (const name of await disk.list(layout.trash)) checkpoints.discard(join(layout.trash, name));
  const reads = new Lane();
  await inspectSome(entries, files, disk, report);
  const bundles = new BundleFiles(disk, layout, backlog.lane, reads);
  const session = new Session({
    disk,
    entries,
    log,
    backlog,
    files,
    checkpoints,
    bundles,
    reads,
    keptKeys: host.keptKeys,
    report,
  });
  return { runtimeId, session };
};

const EMPTY: Omit<Identity, 'runtimeId'> = { format: '', version: 0, configuration: null };

const inspectSome = async (
  entries: ReadonlyMap<string, LogEntry>,
  files: WorkerFiles,
  disk: Disk,
  report: StoreHost['report'],
): Promise<void> => {
  if (entries.size > INSPECTED_LOGS) return;
  try {
    for (const entry of entries.values()) await inspect(entry, files, disk, report);
  } catch (error) {
    throw diskFailure(error);
  }
};
