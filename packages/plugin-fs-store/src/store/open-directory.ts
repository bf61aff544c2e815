import { join } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';
import { descriptorLimit, mintId, type StoreFinding, type StoreHost } from '@worker-runtime/core/plugin-kit';
import { type Catalog, catalogHeader, checkpointLine } from '../checkpoint/catalog.ts';
import { Checkpoints } from '../checkpoint/checkpoints.ts';
import type { LogTable } from '../checkpoint/log-table.ts';
import { LogTrim } from '../checkpoint/log-trim.ts';
import type { Disk } from '../disk/disk.ts';
import { withDiskFailure } from '../disk/disk-failure.ts';
import { FilePool } from '../disk/file-pool.ts';
import { Lane } from '../disk/lane.ts';
import type { Ownership } from '../disk/ownership.ts';
import { Reserve } from '../disk/reserve.ts';
import { Backlog } from '../files/backlog.ts';
import { BlobFiles } from '../files/blob-files.ts';
import { BundleFiles } from '../files/bundle-files.ts';
import { inspect } from '../files/inspection.ts';
import { PluginStateFiles } from '../files/plugin-state-files.ts';
import { WorkerFiles } from '../files/worker-files.ts';
import { checkVersion, type FoundIdentity, readIdentity, writeIdentity } from '../layout/identity.ts';
import { FORMAT_VERSION, type Layout, TRIMMED_VERSION } from '../layout/layout.ts';
import { type Recovered, recoverStore } from '../recovery/store-recovery.ts';
import { WriteAheadLog } from '../wal/write-ahead-log.ts';
import type { StoreParts } from './store-directory.ts';
import type { Settings } from './store-settings.ts';

/** Up to this number of logs, all files are inspected at open. In larger stores each is inspected at its first append. */
const INSPECTED_LOGS = 1_000;

/** The share of the descriptors of the process that Workers' files may take, and the fewest. */
const FILES_SHARE = 0.125;
const FEWEST_FILES = 4;
const FIRST_CHECKPOINT = { checkpoint: 1, segment: 0, offset: 0, lsn: 1, lines: 0, isClean: true } as const;

export interface OpeningOptions {
  /** False if the next checkpoint has to rewrite the whole catalog. */
  readonly keepsCatalog?: boolean;
}

export interface OpenedDirectory {
  readonly runtimeId: string;
  readonly parts: StoreParts;
}

/** True if a directory was never a store: it contains nothing that a store writes. */
const isUnused = async (disk: Disk, layout: Layout, identity: FoundIdentity): Promise<boolean> => {
  if (identity !== 'missing') return false;
  for (const path of [layout.wal, layout.workers, layout.bundles]) {
    if ((await disk.list(path)).length > 0) return false;
  }
  return (await disk.size(layout.catalog).catch(() => 0)) === null;
};

const makeDirectories = async (disk: Disk, layout: Layout): Promise<void> => {
  const { wal, workers, bases, bundles, blobs, incoming, plugins, trash } = layout;
  for (const path of [wal, workers, bases, bundles, blobs, incoming, plugins, trash])
    await disk.makeDirectory(path);
  await disk.syncDirectory(layout.root);
};

/** Writes the first catalog of a new store. Returns the id of its runtime. */
const beginStore = async (disk: Disk, layout: Layout, runtimeId: string): Promise<string> => {
  const text = catalogHeader(runtimeId) + checkpointLine(FIRST_CHECKPOINT);
  await disk.replace(layout.catalog, [Buffer.from(text)]);
  return runtimeId;
};

/**
 * Returns the id of the runtime that owns the store. The catalog has precedence over the identity file, because it has a
 * checksum.
 * @throws STORE_CORRUPT no file has the id
 */
const identify = (found: FoundIdentity, recovered: Recovered, report: StoreHost['report']): string => {
  const identified = typeof found === 'string' ? null : found.runtimeId;
  const runtimeId = recovered.runtimeId ?? identified;
  if (runtimeId === null) {
    throw new RuntimeError(
      'STORE_CORRUPT',
      'The owner of the store is unknown: its identity, catalog and write-ahead log are lost',
    );
  }
  if (identified !== runtimeId) {
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
  return JSON.stringify(found.configuration) !== JSON.stringify(host.configuration);
};

/** Writes identity and configuration if they changed. Only a new store fails if that is not possible. */
const keepIdentity = async (
  { disk, layout }: Settings,
  found: FoundIdentity,
  runtimeId: string,
  isNew: boolean,
  host: StoreHost,
  version: number,
): Promise<void> => {
  if (!hasChanged(found, runtimeId, host)) return;
  try {
    await writeIdentity(disk, layout, runtimeId, host.configuration, version);
  } catch (error) {
    if (isNew) throw error;
    host.report({
      severity: 'warning',
      code: 'IDENTITY_UNWRITTEN',
      message: 'The identity file with the new configuration could not be written',
      details: { file: 'runtime', phase: 'open' },
      detail: error,
    });
  }
};

const lastOf = (catalog: Catalog | null) =>
  catalog?.checkpoint ? { checkpoint: catalog.checkpoint, bytes: catalog.bytes, base: catalog.base } : null;

const inspectAll = async (
  entries: LogTable,
  files: WorkerFiles,
  disk: Disk,
  report: StoreHost['report'],
): Promise<void> => {
  if (entries.size > INSPECTED_LOGS) return;
  await withDiskFailure(async () => {
    for (const entry of entries.all()) await inspect(entry, files, disk, report);
  });
};

/** Makes the parts of an open store from what recovery found. */
const assemble = async (
  settings: Settings,
  host: StoreHost,
  owner: Ownership,
  runtimeId: string,
  recovered: Recovered,
  keepsCatalog: boolean,
): Promise<StoreParts> => {
  const { disk, layout } = settings;
  const { replayed, entries, touched, removed, strayBases, rescued, catalog } = recovered;
  const report = (finding: StoreFinding): void => host.report(finding);
  const openFiles = Math.min(
    settings.openFiles,
    Math.max(FEWEST_FILES, Math.floor(descriptorLimit() * FILES_SHARE)),
  );
  const files = new WorkerFiles(disk, layout, new FilePool(disk, openFiles));
  const reserve = new Reserve(disk, layout.root, settings.reserveBytes);
  await reserve.open();
  const log = new WriteAheadLog({
    disk,
    reserve,
    layout,
    runtimeId,
    owner,
    epoch: Math.max(owner.epoch, replayed.epoch + 1),
    end: replayed.end,
    lastSegment: replayed.lastSegment,
    syncIntervalMs: settings.syncIntervalMs,
    segmentBytes: settings.segmentBytes,
    queueBytes: settings.queueBytes,
    report,
  });
  const backlog = new Backlog({ disk, log, files, reserve, limitBytes: settings.behindBytes, report });
  log.holdFor(backlog);
  const checkpoints = new Checkpoints({
    disk,
    layout,
    runtimeId,
    log,
    backlog,
    files,
    reserve,
    logs: entries,
    snapshotOf: (id) => host.snapshotOf(id),
    report,
    lagBytes: settings.checkpointBytes,
    closingMs: settings.closingMs,
    last: keepsCatalog ? lastOf(catalog) : null,
  });
  backlog.adopt(touched);
  checkpoints.addRecovered(touched);
  for (const { entry, name, end } of rescued) checkpoints.addRescued(entry, name, end);
  for (const entry of removed) checkpoints.remove(entry);
  for (const path of strayBases) checkpoints.addTrash(path);
  for (const name of await disk.list(layout.trash)) checkpoints.addTrash(join(layout.trash, name));
  await inspectAll(entries, files, disk, report);
  let hasNoted = recovered.hasBases;
  const noteBase = async (): Promise<void> => {
    if (hasNoted) return;
    await writeIdentity(disk, layout, runtimeId, host.configuration, TRIMMED_VERSION);
    hasNoted = true;
  };
  const trims = new LogTrim({ disk, layout, files, backlog, checkpoints, log, noteBase, report });
  if (recovered.hasBases) await trims.complete(entries.used());
  const reads = new Lane();
  const bundles = new BundleFiles(disk, layout, backlog.lane, reads);
  const blobs = new BlobFiles(disk, layout, backlog.lane, reads);
  const pluginStates = new PluginStateFiles(disk, layout, backlog.lane, reads);
  await blobs.removeOthers((id) => entries.has(id)).catch(() => {});
  await pluginStates.removeIncomplete().catch(() => {});
  const { keptKeys } = host;
  return {
    disk,
    layout,
    entries,
    log,
    reserve,
    backlog,
    files,
    checkpoints,
    trims,
    bundles,
    blobs,
    pluginStates,
    reads,
    keptKeys,
    report,
  };
};

/**
 * Opens a directory that is locked for this process: recovers its logs, and begins a store if it is unused.
 *
 * @throws STORE_VERSION · STORE_CORRUPT · STORE_UNAVAILABLE · STORE_FULL · STORE_LOST
 */
export const openDirectory = async (
  settings: Settings,
  host: StoreHost,
  owner: Ownership,
  { keepsCatalog = true }: OpeningOptions = {},
): Promise<OpenedDirectory> => {
  const { disk, layout } = settings;
  const report = (finding: StoreFinding): void => host.report(finding);
  const identity = await readIdentity(disk, layout);
  if (typeof identity !== 'string') checkVersion(identity.version);
  const isNew = await isUnused(disk, layout, identity);
  await makeDirectories(disk, layout);
  const newId = isNew ? await beginStore(disk, layout, host.runtimeId ?? mintId('runtime')) : null;
  const recovered = await recoverStore({ disk, layout, report });
  checkVersion(recovered.version);
  const runtimeId = newId ?? identify(identity, recovered, report);
  if (host.runtimeId !== undefined && host.runtimeId !== runtimeId)
    throw new RuntimeError(
      'STORE_CONFLICT',
      'The store belongs to another runtime; use a new place, or make a copy',
    );
  const loss = await owner.confirm();
  if (loss) throw loss;
  const found = typeof identity === 'string' ? FORMAT_VERSION : identity.version;
  const version = recovered.hasBases ? TRIMMED_VERSION : found;
  await keepIdentity(settings, identity, runtimeId, isNew, host, version);
  const parts = await assemble(settings, host, owner, runtimeId, recovered, keepsCatalog);
  return { runtimeId, parts };
};
