import type { StoreFinding } from '@worker-runtime/core';
import { type Catalog, readCatalog } from '../checkpoint/catalog.ts';
import { type Disk, readRange } from '../disk/disk.ts';
import { errnoOf } from '../disk/disk-failure.ts';
import type { Backlog } from '../files/backlog.ts';
import { LogEntry, NOTHING_FILED } from '../files/log-entry.ts';
import { directoryNameOf, type Layout, segmentNumberOf } from '../layout/layout.ts';
import { decodeDocument } from '../layout/worker-document.ts';
import { FRAME_KIND, type LogChange } from '../wal/frame.ts';
import { type Replayed, replay } from '../wal/replay.ts';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader } from '../wal/wal-segment.ts';
import { surveyWorkers } from './survey.ts';

/** More of a log missing than this is not made up for with zeros. */
const HOLE_BYTES = 67_108_864;

export interface RecoverySettings {
  readonly disk: Disk;
  readonly layout: Layout;
  readonly backlog: Backlog;
  readonly report: (finding: StoreFinding) => void;
}

export interface Recovered {
  readonly entries: Map<string, LogEntry>;
  readonly removed: readonly LogEntry[];
  /** The catalog that holds, null where the files were asked instead. */
  readonly catalog: Catalog | null;
  readonly runtimeId: string | null;
  readonly version: number;
  readonly replayed: Replayed;
  /** Logs that the tail of the log names. */
  readonly touched: ReadonlySet<LogEntry>;
}

/** Brings together what catalog, log and files say. One run, one instance. */
class Recovery {
  readonly #settings: RecoverySettings;
  #entries = new Map<string, LogEntry>();
  readonly #touched = new Set<LogEntry>();
  readonly #removed = new Map<string, LogEntry>();
  /** Logs without a creation: what the log has of them last, and those that it removes. */
  readonly #unknownChanges = new Map<string, LogChange>();
  readonly #gone = new Set<string>();
  /** Logs whose length was taken from their files: the first change that the log has of them knows better. */
  readonly #estimated = new Set<LogEntry>();

  constructor(settings: RecoverySettings) {
    this.#settings = settings;
  }

  async run(): Promise<Recovered> {
    const { disk, layout, report } = this.#settings;
    // There may be very many: they are listed while the catalog is read.
    const listing = disk.list(layout.workers);
    listing.catch(() => {});
    const current = await this.#catalog(layout.catalog);
    const isWhole = await this.#isUsable(current);
    const previous = isWhole ? null : await this.#catalog(layout.previousCatalog);
    const catalog = isWhole ? current : (await this.#isUsable(previous)) ? previous : null;
    if (!isWhole) this.#reportCatalog(current);
    // What is left of a damaged catalog is good for lengths and snapshots.
    const described = isWhole ? null : new Map([...(previous?.logs ?? []), ...(current?.logs ?? [])]);
    if (catalog) this.#entries = catalog.logs;
    else {
      for (const entry of await surveyWorkers(
        disk,
        layout,
        await listing,
        described?.values() ?? [],
        report,
      )) {
        this.#entries.set(entry.log, entry);
        this.#estimated.add(entry);
      }
    }
    const apply = (change: LogChange, lsn: number): void => this.#apply(change, lsn);
    const from = catalog?.checkpoint ?? null;
    const replayed = await replay({ disk, layout, from, apply, report });
    if (catalog) await this.#adoptStrays(await listing);
    for (const { log, snapshot } of described?.values() ?? []) {
      const entry = this.#entries.get(log);
      if (entry) entry.snapshot = snapshot;
    }
    for (const change of this.#unknownChanges.values()) this.#reportUnknown(change);
    return {
      entries: this.#entries,
      removed: [...this.#removed.values()],
      catalog,
      runtimeId: current?.runtimeId ?? previous?.runtimeId ?? replayed.runtimeId,
      version: Math.max(current?.version ?? 0, replayed.version),
      replayed,
      touched: this.#touched,
    };
  }

  async #catalog(path: string): Promise<Catalog | null> {
    try {
      return readCatalog(await this.#settings.disk.readFile(path));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null;
      return { ...readCatalog(Buffer.alloc(0)), damagedAt: 0 };
    }
  }

  /** A catalog that is whole, and to which the log reaches back: it may have lost its newest lines, whole. */
  async #isUsable(catalog: Catalog | null): Promise<boolean> {
    const checkpoint = catalog?.damagedAt === null ? catalog.checkpoint : null;
    if (!checkpoint) return false;
    const { disk, layout } = this.#settings;
    const numbers = (await disk.list(layout.wal)).map((name) => segmentNumberOf(name) ?? 0);
    if (numbers.includes(checkpoint.segment)) return true;
    const later = numbers.filter((number) => number > checkpoint.segment).sort((a, b) => a - b);
    for (const number of later) {
      const header = await this.#headerOf(number);
      // One without a header was never begun.
      if (!header) continue;
      const { segment, end } = header.previous;
      return segment === checkpoint.segment && end === checkpoint.offset;
    }
    return true;
  }

  async #headerOf(segment: number): Promise<SegmentHeader | null> {
    const { disk, layout } = this.#settings;
    const file = await disk.open(layout.segment(segment), 'read').catch(() => null);
    if (file === null) return null;
    const bytes = await readRange(disk, file, 0, SEGMENT_HEADER_BYTES).catch(() => Buffer.alloc(0));
    await disk.close(file);
    return decodeSegmentHeader(bytes);
  }

  /**
   * Lists, as damaged, logs that have files but that neither catalog nor log knows: files get only what the log has
   * synced, so a part of it is lost.
   */
  async #adoptStrays(names: readonly string[]): Promise<void> {
    const { disk, layout, report } = this.#settings;
    let filed = 0;
    for (const entry of this.#entries.values()) if (entry.filed.seq > 0) filed += 1;
    if (names.length <= filed) return;
    const known = new Set<string>();
    for (const entry of [...this.#entries.values(), ...this.#removed.values()]) {
      known.add(directoryNameOf(entry.workerId, entry.log));
    }
    const strays = names.filter((name) => !known.has(name));
    for (const entry of await surveyWorkers(disk, layout, strays, [], report)) {
      if (this.#gone.has(entry.log)) {
        this.#remove(entry);
        continue;
      }
      entry.isDamaged = true;
      this.#entries.set(entry.log, entry);
      report({
        severity: 'error',
        code: 'WORKER_DAMAGED',
        message: 'A Worker has files that the log does not know: a part of the log is missing',
        workerId: entry.workerId,
        details: { file: 'events', offset: entry.bytes, phase: 'open' },
        detail: { log: entry.log },
      });
    }
  }

  #reportCatalog(current: Catalog | null): void {
    this.#settings.report({
      severity: 'warning',
      code: 'CATALOG_DAMAGED',
      message: 'The catalog is missing or damaged; it is rebuilt from log and files',
      details: { file: 'catalog', offset: current?.damagedAt ?? 0, phase: 'open' },
    });
  }

  #apply(change: LogChange, lsn: number): void {
    const entry = this.#entries.get(change.log);
    if (change.kind === FRAME_KIND.create) this.#create(change, lsn, entry);
    else if (!entry) this.#unknown(change);
    else if (change.kind === FRAME_KIND.remove) this.#remove(entry);
    else this.#append(entry, change, lsn);
  }

  #remove(entry: LogEntry): void {
    this.#entries.delete(entry.log);
    this.#touched.delete(entry);
    entry.isRemoved = true;
    this.#removed.set(entry.log, entry);
    this.#settings.backlog.forget(entry);
  }

  #append(entry: LogEntry, change: LogChange, lsn: number): void {
    if (this.#estimated.delete(entry)) this.#rebase(entry, change);
    if (change.seq + change.count <= entry.seq) return;
    if (change.seq !== entry.seq || change.bytes !== entry.bytes) {
      this.#misfit(entry, change);
      const hole = change.bytes - entry.bytes;
      if (change.seq < entry.seq || hole < 0 || hole > HOLE_BYTES) return;
      // What follows keeps its place; the lines between are gone, and reading will say so.
      const filler = { ...change, seq: entry.seq, bytes: entry.bytes, count: change.seq - entry.seq };
      if (hole > 0) this.#settings.backlog.add(entry, { ...filler, lines: Buffer.alloc(hole) }, lsn, '');
      entry.keyBytes = Math.max(entry.keyBytes, change.keyBytes);
    }
    this.#advance(entry, change, lsn, change.meta, null);
  }

  #create(change: LogChange, lsn: number, known: LogEntry | undefined): void {
    if ((known && !this.#estimated.has(known)) || this.#removed.has(change.log)) return;
    const end = change.meta.indexOf('\n') + 1;
    const document = change.meta.slice(0, end);
    const { workerId } = decodeDocument(Buffer.from(document)) ?? { workerId: change.log };
    const entry = new LogEntry(change.log, workerId, NOTHING_FILED);
    if (known) this.#estimated.delete(known);
    this.#entries.set(change.log, entry);
    this.#advance(entry, change, lsn, change.meta.slice(end), document);
  }

  #advance(entry: LogEntry, change: LogChange, lsn: number, keys: string, document: string | null): void {
    this.#settings.backlog.add(entry, change, lsn, keys, document);
    entry.seq = change.seq + change.count;
    entry.bytes = change.bytes + change.lines.length;
    entry.keyBytes = change.keyBytes + Buffer.byteLength(keys);
    this.#touched.add(entry);
  }

  /** The log knows where its first change stood; the file may hold more, unsynced, or have lost some. */
  #rebase(entry: LogEntry, change: LogChange): void {
    if (entry.seq < change.seq) this.#misfit(entry, change);
    entry.filed = { seq: change.seq, bytes: change.bytes, keyBytes: change.keyBytes };
    entry.synced = entry.filed;
    entry.seq = change.seq;
    entry.bytes = change.bytes;
    entry.keyBytes = change.keyBytes;
  }

  #misfit(entry: LogEntry, change: LogChange): void {
    if (entry.isDamaged) return;
    entry.isDamaged = true;
    this.#settings.report({
      severity: 'error',
      code: 'WORKER_DAMAGED',
      message: 'Lines of a Worker are missing',
      workerId: entry.workerId,
      details: { file: 'events', offset: entry.bytes, phase: 'replay' },
      detail: { log: entry.log, from: entry.head, to: { seq: change.seq, bytes: change.bytes } },
    });
  }

  /** The creation is in no catalog and not in the log: it is lost, or the log was removed while a checkpoint ran. */
  #unknown(change: LogChange): void {
    if (change.kind === FRAME_KIND.remove) {
      this.#unknownChanges.delete(change.log);
      this.#gone.add(change.log);
    } else if (!this.#removed.has(change.log)) this.#unknownChanges.set(change.log, change);
  }

  #reportUnknown({ log, seq, count }: LogChange): void {
    this.#settings.report({
      severity: 'error',
      code: 'LOG_DAMAGED',
      message: 'The log names a Worker whose creation is lost',
      details: { file: 'segment', phase: 'replay' },
      detail: { log, seq, count },
    });
  }
}

/** Finds every log that was acknowledged: from the catalog, or else the files, and the log after it. */
export const recover = (settings: RecoverySettings): Promise<Recovered> => new Recovery(settings).run();
