import { join } from 'node:path';
import { RuntimeError, type Snapshot, type StoreFinding, silentLogger } from '@worker-runtime/core';
import { DirectoryLock } from '../disk/directory-lock.ts';
import type { Disk } from '../disk/disk.ts';
import { diskFailure } from '../disk/disk-failure.ts';
import { FilePool } from '../disk/file-pool.ts';
import { Backlog } from '../files/backlog.ts';
import { inspect } from '../files/inspection.ts';
import type { LogEntry } from '../files/log-entry.ts';
import { WorkerFiles } from '../files/worker-files.ts';
import { checkVersion, readIdentity } from '../layout/identity.ts';
import { decodeDocument } from '../layout/worker-document.ts';
import { readKeys } from '../read/key-reader.ts';
import { recover } from '../recovery/store-recovery.ts';
import { type Opened, openDirectory } from '../store/open-directory.ts';
import { type Settings, settingsOf } from '../store/settings.ts';
import { scanLines } from './line-scan.ts';

export interface DoctorOptions {
  /** Puts right what can be put right, and says what it did. Without it, nothing is written. */
  readonly repair?: boolean;
}

type Report = (finding: StoreFinding) => void;

const phase = 'doctor';

const exists = async (disk: Disk, settings: Settings): Promise<boolean> => {
  const names = await disk.list(settings.layout.root);
  return ['runtime.json', 'catalog.json', 'wal', 'workers'].some((name) => names.includes(name));
};

/** Reads everything that one Worker has. */
const examine = async (entry: LogEntry, files: WorkerFiles, disk: Disk, report: Report): Promise<void> => {
  const { workerId, log } = entry;
  const wrong = (file: string, message: string, offset: number, detail?: unknown): void =>
    report({
      severity: 'error',
      code: 'WORKER_DAMAGED',
      message,
      workerId,
      details: { file, offset, phase },
      detail: { log, cause: detail },
    });
  if (entry.filed.seq === 0) return;
  const wasDamaged = entry.isDamaged;
  await inspect(entry, files, disk, report);
  try {
    const { bytes, problem } = await scanLines(disk, files.events(entry), entry.filed.bytes);
    if (problem !== null && bytes < entry.filed.bytes) {
      entry.isDamaged = true;
      wrong('events', `The events of a Worker have ${problem}`, bytes);
    }
  } catch (error) {
    if (!entry.isDamaged && !wasDamaged) wrong('events', 'The events of a Worker cannot be read', 0, error);
  }
  try {
    const document = decodeDocument(await disk.readFile(files.document(entry)));
    if (document?.log !== log) wrong('worker', 'The record of a Worker is damaged', 0);
  } catch (error) {
    wrong('worker', 'The record of a Worker cannot be read', 0, error);
  }
  try {
    const onDamage = (): void => wrong('keys', 'Idempotency keys of a Worker are damaged', 0);
    await readKeys(entry, files, disk, Number.POSITIVE_INFINITY, onDamage);
  } catch (error) {
    wrong('keys', 'The idempotency keys of a Worker cannot be read', 0, error);
  }
};

/** Looks at everything and writes nothing. */
const check = async ({ disk, layout }: Settings, report: Report): Promise<void> => {
  const identity = await readIdentity(disk, layout);
  if (typeof identity === 'string') {
    const details = { file: 'runtime', phase };
    report({ severity: 'error', code: 'IDENTITY_DAMAGED', message: `The identity is ${identity}`, details });
  } else checkVersion(identity.version);
  const pool = new FilePool(disk, 16);
  const files = new WorkerFiles(disk, layout, pool);
  const idle = async (): Promise<void> => {};
  const backlog = new Backlog({
    files,
    limitBytes: Number.POSITIVE_INFINITY,
    syncedLsn: () => 0,
    syncLog: async () => {},
    inspect: idle,
    rescue: idle,
    report,
  });
  const recovered = await recover({ disk, layout, backlog, report });
  checkVersion(recovered.version);
  for (const entry of recovered.entries.values()) await examine(entry, files, disk, report);
  await pool.close();
  for (const name of await disk.list(layout.rescued)) {
    report({
      severity: 'warning',
      code: 'RESCUED_LINES',
      message: 'Lines that were put aside wait for a person to look at them',
      details: { file: 'rescued', phase },
      detail: { name },
    });
  }
};

/** Makes a damaged log end where its whole lines end, and keeps what is behind them aside. */
const mend = async (
  entry: LogEntry,
  { session }: Opened,
  settings: Settings,
  report: Report,
): Promise<void> => {
  const { disk, layout } = settings;
  const { files, checkpoints } = session.parts;
  const told = (message: string, detail: unknown): void =>
    report({
      severity: 'info',
      code: 'WORKER_MENDED',
      message,
      workerId: entry.workerId,
      details: { file: 'events', offset: entry.bytes, phase: 'repair' },
      detail,
    });
  // Lines that only the log has stand behind a hole: nothing that is cut here would close it.
  if (entry.behind !== null) return;
  const path = files.events(entry);
  const { seq, bytes, size, problem } = await scanLines(disk, path);
  if (problem !== null && seq < entry.seq && bytes < entry.bytes && size >= entry.bytes) return;
  await files.drop(entry);
  if (size > bytes) {
    await disk.makeDirectory(layout.rescued);
    const name = `${files.name(entry)}.${bytes}.cut`;
    await disk.replace(join(layout.rescued, name), [(await disk.readFile(path)).subarray(bytes)]);
    await files.pool.use(path, 'write', async (file) => {
      await disk.truncate(file, bytes);
      await disk.sync(file);
    });
    told('What stood behind the last whole line was put aside', { rescued: name });
  }
  const lost = entry.seq - seq;
  entry.filed = { ...entry.filed, seq, bytes };
  entry.seq = seq;
  entry.bytes = bytes;
  entry.isDamaged = false;
  checkpoints.restore(entry);
  told(lost > 0 ? `The log ends ${lost} lines earlier than it did` : 'The log is whole again', { seq });
};

const repair = async (settings: Settings, epoch: number, report: Report): Promise<void> => {
  const { disk, layout } = settings;
  const identity = await readIdentity(disk, layout);
  let hasFailed = false;
  const kept = new Map<string, Snapshot>();
  const host = {
    log: silentLogger,
    configuration: typeof identity === 'string' ? null : identity.configuration,
    keptKeys: 0,
    snapshotOf: (log: string) => kept.get(log),
    // What is wrong was told by the check; what the repair itself cannot do is told now.
    report: (finding: StoreFinding) => {
      if (finding.code !== 'CHECKPOINT_FAILED') return;
      hasFailed = true;
      report(finding);
    },
  };
  const opened = await openDirectory(settings, host, epoch, { keepsCatalog: false });
  const { entries, log, checkpoints, files } = opened.session.parts;
  for (const entry of entries.values()) {
    if (!entry.isChecked) await inspect(entry, files, disk, host.report);
    if (entry.isDamaged) await mend(entry, opened, settings, report);
    if (entry.snapshot) kept.set(entry.log, entry.snapshot);
  }
  await log.drained();
  checkpoints.start();
  await checkpoints.make();
  await log.close();
  await files.pool.close();
  if (hasFailed) return;
  report({
    severity: 'info',
    code: 'CATALOG_REBUILT',
    message: 'The files were brought up to the log, and the catalog was written anew',
    details: { file: 'catalog', phase: 'repair' },
  });
};

/**
 * Checks a store that no process has open: every line, record and key of every Worker, the log, the catalog. With
 * `repair` it then writes what can be put right: identity and catalog, files that lag behind the log, logs whose end is
 * lost or torn. Nothing is taken away: what does not fit goes to `rescued/`, and each step is a finding of its own.
 *
 * @throws STORE_LOCKED a process has it open · STORE_UNAVAILABLE there is no store, or it cannot be read · STORE_VERSION
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
    if (options.repair) await repair(settings, lock.epoch, report);
    return findings;
  } catch (error) {
    throw diskFailure(error);
  } finally {
    await lock.release();
  }
};
