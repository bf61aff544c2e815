import { join } from 'node:path';
import { RuntimeError, silentLogger } from '@worker-runtime/core';
import type { Snapshot, StoreFinding } from '@worker-runtime/core/plugin-kit';
import { DirectoryLock } from '../disk/directory-lock.ts';
import { type Disk, writeFully } from '../disk/disk.ts';
import { diskFailure } from '../disk/disk-failure.ts';
import { FilePool } from '../disk/file-pool.ts';
import type { Ownership } from '../disk/ownership.ts';
import { reportDamage } from '../files/damage.ts';
import { inspect } from '../files/inspection.ts';
import type { LogEntry } from '../files/log-entry.ts';
import { type RescuedLines, readRescued, rescuedPaths } from '../files/rescue.ts';
import { WorkerFiles } from '../files/worker-files.ts';
import { checkVersion, readIdentity } from '../layout/identity.ts';
import type { Layout } from '../layout/layout.ts';
import { decodeDocument } from '../layout/worker-document.ts';
import { recoverStore } from '../recovery/store-recovery.ts';
import { openDirectory } from '../store/open-directory.ts';
import type { StoreParts } from '../store/store-directory.ts';
import { type Settings, settingsOf } from '../store/store-settings.ts';
import { areKeysValid } from './key-check.ts';
import { scanLines } from './line-scan.ts';

export interface DoctorOptions {
  /** Repairs what can be repaired, and reports each step. Without it, nothing is written. */
  readonly repair?: boolean;
}

type Report = (finding: StoreFinding) => void;

const phase = 'doctor' as const;

/** True if the directory contains a store. */
const exists = async (disk: Disk, settings: Settings): Promise<boolean> => {
  const names = await disk.list(settings.layout.root);
  return ['runtime.json', 'catalog.json', 'wal', 'workers'].some((name) => names.includes(name));
};

/** Reads every file of one Worker, and reports what is wrong. */
const examine = async (entry: LogEntry, files: WorkerFiles, disk: Disk, report: Report): Promise<void> => {
  const { workerId, log } = entry;
  const reportFile = (file: string, message: string, cause?: unknown): void =>
    report({
      severity: 'error',
      code: 'WORKER_DAMAGED',
      message,
      workerId,
      details: { file, offset: 0, phase },
      detail: { log, cause },
    });
  if (!entry.hasFiles) return;
  const wasDamaged = entry.isDamaged;
  await inspect(entry, files, disk, report);
  try {
    const { bytes, problem } = await scanLines(disk, files.events(entry), entry.begin, entry.filed.bytes);
    if (problem !== null && bytes < entry.filed.bytes) {
      const message = `The events of a Worker contain ${problem}`;
      reportDamage(entry, report, { message, offset: bytes, phase, detail: { log } });
    }
  } catch (cause) {
    if (!entry.isDamaged && !wasDamaged) reportFile('events', 'The events of a Worker cannot be read', cause);
  }
  try {
    const document = decodeDocument(await disk.readFile(files.document(entry)));
    if (document?.log !== log) reportFile('worker', 'The record of a Worker is damaged');
  } catch (cause) {
    reportFile('worker', 'The record of a Worker cannot be read', cause);
  }
  try {
    const isValid = await areKeysValid(entry, files, disk);
    if (!isValid) reportFile('keys', 'Idempotency keys of a Worker are damaged');
  } catch (cause) {
    reportFile('keys', 'The idempotency keys of a Worker cannot be read', cause);
  }
};

/** Checks the whole store, and writes nothing. */
const check = async ({ disk, layout }: Settings, report: Report): Promise<void> => {
  const identity = await readIdentity(disk, layout);
  if (typeof identity === 'string') {
    const details = { file: 'runtime', phase };
    report({ severity: 'error', code: 'IDENTITY_DAMAGED', message: `The identity is ${identity}`, details });
  } else checkVersion(identity.version);
  const pool = new FilePool(disk, 16);
  const files = new WorkerFiles(disk, layout, pool);
  const recovered = await recoverStore({ disk, layout, report });
  checkVersion(recovered.version);
  for (const entry of recovered.entries.all()) await examine(entry, files, disk, report);
  await pool.close();
  const fitting = new Set(recovered.rescued.flatMap(({ name }) => rescuedPaths(layout, name)));
  for (const name of await disk.list(layout.rescued)) {
    const message = fitting.has(join(layout.rescued, name))
      ? 'Lines of a Worker wait for its files; the next open or a repair puts them there'
      : 'The directory rescued contains lines that a person must look at';
    const details = { file: 'rescued', phase };
    report({ severity: 'warning', code: 'RESCUED_LINES', message, details, detail: { name } });
  }
};

/** Writes rescued lines to the end of the files of their log. The length of the keys counts theirs already. */
const putBack = async (
  entry: LogEntry,
  files: WorkerFiles,
  disk: Disk,
  { lines, start, keys }: RescuedLines,
): Promise<void> => {
  await files.pool.use(files.events(entry), 'create', (file) => writeFully(disk, file, lines, start));
  const keyLines = Buffer.from(keys);
  const keysAt = entry.filed.keyBytes - keyLines.length;
  if (keyLines.length === 0 || ((await disk.size(files.keys(entry))) ?? 0) !== keysAt) return;
  await files.pool.use(files.keys(entry), 'create', (file) => writeFully(disk, file, keyLines, keysAt));
};

/** Ends a damaged log at its last whole line. Puts the bytes after it into `rescued/`, and rescued lines that follow back. */
const mend = async (
  entry: LogEntry,
  { files, checkpoints, disk }: StoreParts,
  layout: Layout,
  report: Report,
): Promise<void> => {
  const reportMended = (message: string, detail: unknown): void =>
    report({
      severity: 'info',
      code: 'WORKER_MENDED',
      message,
      workerId: entry.workerId,
      details: { file: 'events', offset: entry.bytes, phase: 'repair' },
      detail,
    });
  // Unfiled batches follow the hole, so cutting the file would not close it.
  if (entry.unfiled !== null) return;
  const path = files.events(entry);
  const { size, problem, ...whole } = await scanLines(disk, path, entry.begin);
  let { seq, bytes } = whole;
  if (problem !== null && seq < entry.seq && bytes < entry.bytes && size >= entry.bytes) return;
  await files.release(entry);
  if (size > bytes) {
    await disk.makeDirectory(layout.rescued);
    const name = `${files.name(entry)}.${bytes}.cut`;
    await disk.replace(join(layout.rescued, name), [(await disk.readFile(path)).subarray(bytes)]);
    await files.pool.use(path, 'write', async (file) => {
      await disk.truncate(file, bytes);
      await disk.sync(file);
    });
    reportMended('The bytes after the last whole line were put into the directory rescued', {
      rescued: name,
    });
  }
  for (let lines = await readRescued(disk, layout, entry, { seq, bytes }); lines !== null; ) {
    await putBack(entry, files, disk, lines);
    seq = lines.lastSeq;
    bytes += lines.lines.length;
    checkpoints.addRescued(entry, lines.name, bytes);
    reportMended('Lines in the directory rescued were put back', { rescued: lines.name });
    lines = await readRescued(disk, layout, entry, { seq, bytes });
  }
  const lost = entry.seq - seq;
  entry.filed = { ...entry.filed, seq, bytes };
  entry.seq = seq;
  entry.bytes = bytes;
  entry.isDamaged = false;
  checkpoints.addRecovered(new Set([entry]));
  const message = lost > 0 ? `The log now ends ${lost} lines earlier` : 'The log is whole again';
  reportMended(message, { seq });
};

const repair = async (settings: Settings, owner: Ownership, report: Report): Promise<void> => {
  const { disk, layout } = settings;
  const identity = await readIdentity(disk, layout);
  let hasFailed = false;
  const snapshots = new Map<string, Snapshot>();
  const host = {
    log: silentLogger,
    configuration: typeof identity === 'string' ? null : identity.configuration,
    keptKeys: 0,
    lost: () => {},
    snapshotOf: (log: string) => snapshots.get(log),
    // The check has reported all damage. Only failures of the repair itself are new.
    report: (finding: StoreFinding) => {
      if (finding.code !== 'CHECKPOINT_FAILED') return;
      hasFailed = true;
      report(finding);
    },
  };
  const { parts } = await openDirectory(settings, host, owner, { keepsCatalog: false });
  const { entries, log, checkpoints, files } = parts;
  for (const entry of entries.all()) {
    if (!entry.isChecked) await inspect(entry, files, disk, host.report);
    if (entry.isDamaged) await mend(entry, parts, layout, report);
    if (entry.snapshot) snapshots.set(entry.log, entry.snapshot);
  }
  await log.drain();
  checkpoints.start();
  await checkpoints.make();
  await log.close();
  await files.pool.close();
  if (hasFailed) return;
  report({
    severity: 'info',
    code: 'CATALOG_REBUILT',
    message: 'The files were brought up to the write-ahead log, and the catalog was rewritten',
    details: { file: 'catalog', phase: 'repair' },
  });
};

/**
 * Checks a store that no process has open: every line, record and key of every Worker, the write-ahead log, the catalog.
 * With `repair` it then repairs the identity, the catalog, files that lag behind the write-ahead log, and logs whose end is
 * lost or torn. It deletes nothing: bytes that do not fit go to `rescued/`, and each step is reported as a finding.
 *
 * @throws STORE_LOCKED a process has the store open · STORE_UNAVAILABLE there is no store, or it cannot be read ·
 * STORE_VERSION
 */
export const doctor = async (dir: string, options: DoctorOptions = {}): Promise<readonly StoreFinding[]> => {
  const settings = settingsOf({ dir });
  const { disk, layout } = settings;
  const findings: StoreFinding[] = [];
  const report: Report = (finding) => void findings.push(finding);
  if (!(await exists(disk, settings))) {
    throw new RuntimeError('STORE_UNAVAILABLE', 'There is no store in the directory');
  }
  const lock = await DirectoryLock.take(layout.root, { run: (job) => job(), onLost: () => {} });
  try {
    await check(settings, report);
    if (options.repair) await repair(settings, lock, report);
    return findings;
  } catch (error) {
    throw diskFailure(error);
  } finally {
    await lock.release();
  }
};
