import { join } from 'node:path';
import type { LogHead, StoreFinding } from '@worker-runtime/core/plugin-kit';
import { type Catalog, readCatalog, readCatalogFile } from '../checkpoint/catalog.ts';
import { LogTable } from '../checkpoint/log-table.ts';
import { type Disk, readRange } from '../disk/disk.ts';
import { errnoOf } from '../disk/disk-failure.ts';
import { basePath, type FoundBases, readBases } from '../files/base-files.ts';
import { reportDamage } from '../files/damage.ts';
import { LogEntry, NOTHING_FILED } from '../files/log-entry.ts';
import { filedEnd, listRescued, readRescued } from '../files/rescue.ts';
import { directoryNameOf, type Layout, segmentNumberOf } from '../layout/layout.ts';
import { FRAME_KIND, type ReplayedChange } from '../wal/frame.ts';
import { type Replayed, replay } from '../wal/replay.ts';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader } from '../wal/wal-segment.ts';
import { Directories } from './directories.ts';
import { surveyWorkers } from './survey.ts';

/** The largest hole in a log that is filled with zeros. */
const HOLE_BYTES = 67_108_864;

export interface RecoverySettings {
  readonly disk: Disk;
  readonly layout: Layout;
  readonly report: (finding: StoreFinding) => void;
}

export interface Recovered {
  readonly entries: LogTable;
  readonly removed: readonly LogEntry[];
  /** The paths of bases whose log was removed, or never created. */
  readonly strayBases: readonly string[];
  readonly hasBases: boolean;
  /** The lines in `rescued/` that continue a log, or that its file has already. */
  readonly rescued: readonly { readonly entry: LogEntry; readonly name: string; readonly end: number }[];
  /** The catalog that was used; null if the logs were found by their files. */
  readonly catalog: Catalog | null;
  readonly runtimeId: string | null;
  readonly version: number;
  readonly replayed: Replayed;
  /** Logs of which the write-ahead log has changes after the checkpoint. */
  readonly touched: Set<LogEntry>;
}

/** A hole in a log: its end before a change, and the position at which the change begins. */
interface Misfit {
  readonly from: LogHead;
  readonly to: LogHead;
}

/** One run of `recoverStore`: combines the catalog, the write-ahead log and the Workers' files. */
class Recovery {
  readonly #settings: RecoverySettings;
  #entries = new LogTable();
  readonly #touched = new Set<LogEntry>();
  readonly #removed = new Map<string, LogEntry>();
  readonly #rescued: Recovered['rescued'][number][] = [];
  #bases: FoundBases['bases'] = new Map();
  /** The last change of each log whose creation was not found. */
  readonly #unknownChanges = new Map<string, ReplayedChange>();
  /** Logs that were removed and whose creation was not found. */
  readonly #removedUnknown = new Set<string>();
  /** The first change of each log that does not continue its lines. Later changes may remove the log. */
  readonly #misfits = new Map<LogEntry, Misfit>();
  /** Logs whose length was taken from their files. The first change in the write-ahead log gives the true one. */
  readonly #estimated = new Set<LogEntry>();

  constructor(settings: RecoverySettings) {
    this.#settings = settings;
  }

  async run(): Promise<Recovered> {
    const { disk, layout, report } = this.#settings;
    const directories = new Directories(disk, layout.workers);
    const { bases, damaged } = await readBases(disk, layout);
    this.#bases = bases;
    const current = await this.#catalog(layout.catalog);
    const isWhole = await this.#isUsable(current);
    const previous = isWhole ? null : await this.#catalog(layout.previousCatalog);
    const catalog = isWhole ? current : (await this.#isUsable(previous)) ? previous : null;
    if (!isWhole) this.#reportCatalog(current);
    // The readable lines of a damaged catalog still give lengths and snapshots.
    const described = isWhole ? null : this.#hints([previous, current]);
    if (catalog) this.#entries = catalog.logs;
    else {
      for (const entry of await surveyWorkers(
        disk,
        layout,
        await directories.names(),
        described?.values() ?? [],
        bases,
        report,
      )) {
        this.#entries.set(entry);
        this.#estimated.add(entry);
      }
    }
    directories.expect(this.#countFiled());
    this.#setBases();
    await this.#adoptRescued();
    const apply = (change: ReplayedChange, lsn: number): void => this.#apply(change, lsn);
    const from = catalog?.checkpoint ?? null;
    const replayed = await replay({ disk, layout, from, apply, report });
    if (catalog && (await directories.count()) > this.#countFiled())
      await this.#adoptStrays(await directories.names());
    for (const { log, snapshot } of described?.values() ?? []) {
      const entry = this.#entries.get(log);
      if (entry) entry.snapshot = snapshot;
    }
    this.#setBases();
    this.#reportBases(damaged);
    for (const [entry, misfit] of this.#misfits) this.#reportMissingLines(entry, misfit);
    for (const change of this.#unknownChanges.values()) this.#reportUnknown(change);
    return {
      entries: this.#entries,
      removed: [...this.#removed.values()],
      strayBases: [...bases.values()]
        .filter(({ log }) => !this.#entries.has(log))
        .map((of) => basePath(layout, of)),
      hasBases: bases.size > 0,
      rescued: this.#rescued,
      catalog,
      runtimeId: current?.runtimeId ?? previous?.runtimeId ?? replayed.runtimeId,
      version: Math.max(current?.version ?? 0, replayed.version),
      replayed,
      touched: this.#touched,
    };
  }

  /** Lets the logs begin at their bases. A log that ends before has lost lines. */
  #setBases(): void {
    for (const { log, base } of this.#bases.values()) {
      const entry = this.#entries.get(log);
      if (entry) Object.assign(entry, { base, begin: base.head });
    }
  }

  /** Returns what damaged catalogs say of each log, the later one last. */
  #hints(catalogs: readonly (Catalog | null)[]): ReadonlyMap<string, LogEntry> {
    const hints = new Map<string, LogEntry>();
    for (const catalog of catalogs)
      for (const entry of catalog?.logs.all() ?? []) hints.set(entry.log, entry);
    return hints;
  }

  #reportBases(damaged: readonly string[]): void {
    const { report } = this.#settings;
    const names = new Set(damaged);
    // a log without an entry has lines, and a base only if that cannot be read
    for (const entry of damaged.length > 0 ? this.#entries.all() : this.#entries.used()) {
      const isUnreadable = names.size > 0 && names.has(`${directoryNameOf(entry.workerId, entry.log)}.json`);
      if (!isUnreadable && entry.seq > entry.begin.seq) continue;
      if (!isUnreadable && !entry.isTrimmed) continue;
      const message = isUnreadable
        ? 'The base of a Worker, whose first lines were removed, cannot be read'
        : 'A Worker has lost all lines after its base';
      reportDamage(entry, report, {
        message,
        offset: entry.begin.bytes,
        phase: 'open',
        detail: { log: entry.log },
      });
    }
  }

  /**
   * Makes rescued lines unfiled lines of their logs. This comes before the replay: the write-ahead log may have later
   * changes only.
   */
  async #adoptRescued(): Promise<void> {
    const { disk, layout } = this.#settings;
    const found = await listRescued(disk, layout);
    if (found.length === 0) return;
    const entries = new Map<string, LogEntry>();
    for (const entry of this.#entries.all()) entries.set(directoryNameOf(entry.workerId, entry.log), entry);
    for (const { directory, offset, name } of found) {
      const entry = entries.get(directory);
      if (!entry) continue;
      if (offset === entry.bytes) {
        const lines = await readRescued(disk, layout, entry, entry.head);
        if (!lines) continue;
        entry.adopt(lines, lines.document);
        this.#estimated.delete(entry);
        this.#touched.add(entry);
        this.#rescued.push({ entry, name, end: entry.bytes });
      } else if (offset < entry.filed.bytes) {
        const path = join(layout.worker(directory), 'events.jsonl');
        const end = await filedEnd(disk, layout, path, name, offset);
        if (end !== null) this.#rescued.push({ entry, name, end });
      }
    }
  }

  async #catalog(path: string): Promise<Catalog | null> {
    try {
      return await readCatalogFile(this.#settings.disk, path);
    } catch (error) {
      return errnoOf(error) === 'ENOENT' ? null : readCatalog(Buffer.alloc(0));
    }
  }

  /**
   * True if a catalog is undamaged and the write-ahead log continues at its checkpoint. A catalog may have lost its newest
   * checkpoints without a trace.
   */
  async #isUsable(catalog: Catalog | null): Promise<boolean> {
    const checkpoint = catalog?.damagedAt === null ? catalog.checkpoint : null;
    if (!checkpoint) return false;
    const { disk, layout } = this.#settings;
    const numbers = (await disk.list(layout.wal)).map((name) => segmentNumberOf(name) ?? 0);
    if (numbers.includes(checkpoint.segment)) return true;
    const later = numbers.filter((number) => number > checkpoint.segment).sort((a, b) => a - b);
    for (const number of later) {
      const header = await this.#headerOf(number);
      // A segment without a header was never begun.
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
   * Adds, as damaged, logs that have files but are neither in the catalog nor in the write-ahead log. Files get only what
   * that log has synced, so a part of it is lost.
   */
  async #adoptStrays(names: readonly string[]): Promise<void> {
    const { disk, layout, report } = this.#settings;
    const strays = this.#unknownOf(names);
    if (strays.length === 0) return;
    for (const entry of await surveyWorkers(disk, layout, strays, [], this.#bases, report)) {
      if (this.#removedUnknown.has(entry.log)) {
        this.#remove(entry);
        continue;
      }
      this.#entries.set(entry);
      reportDamage(entry, report, {
        message: 'A Worker has files that the write-ahead log does not know: a part of that log is missing',
        offset: entry.bytes,
        phase: 'open',
        detail: { log: entry.log },
      });
    }
  }

  /** The number of logs with files. */
  #countFiled(): number {
    let filed = this.#entries.described.size;
    for (const entry of this.#entries.used()) if (entry.filed.seq > 0) filed += 1;
    return filed;
  }

  /** Returns those names of directories that are of no known log. */
  #unknownOf(names: readonly string[]): readonly string[] {
    const unknown = names.filter((name) => {
      // most ids are names themselves
      const log = name.slice(name.lastIndexOf('.') + 1);
      const workerId = this.#entries.workerIdOf(log) ?? this.#removed.get(log)?.workerId;
      return workerId === undefined || directoryNameOf(workerId, log) !== name;
    });
    if (unknown.length === 0) return unknown;
    const known = new Set<string>();
    for (const entry of [...this.#entries.all(), ...this.#removed.values()]) {
      known.add(directoryNameOf(entry.workerId, entry.log));
    }
    return unknown.filter((name) => !known.has(name));
  }

  #reportCatalog(current: Catalog | null): void {
    this.#settings.report({
      severity: 'warning',
      code: 'CATALOG_DAMAGED',
      message: 'The catalog is missing or damaged; it is rebuilt from the write-ahead log and the files',
      details: { file: 'catalog', offset: current?.damagedAt ?? 0, phase: 'open' },
    });
  }

  #apply(change: ReplayedChange, lsn: number): void {
    const entry = this.#entries.get(change.log);
    if (change.kind === FRAME_KIND.create) this.#create(change, lsn, entry);
    else if (!entry) this.#noteUnknown(change);
    else if (change.kind === FRAME_KIND.remove) this.#remove(entry);
    else this.#append(entry, change, lsn);
  }

  #remove(entry: LogEntry): void {
    this.#entries.delete(entry.log);
    this.#touched.delete(entry);
    this.#misfits.delete(entry);
    entry.phase = 'removed';
    entry.releaseUnfiled();
    this.#removed.set(entry.log, entry);
  }

  #append(entry: LogEntry, change: ReplayedChange, lsn: number): void {
    if (this.#estimated.delete(entry)) this.#rebase(entry, change);
    if (change.seq + change.count <= entry.seq) return;
    if (change.seq !== entry.seq || change.bytes !== entry.bytes) {
      this.#noteMisfit(entry, change);
      const hole = change.bytes - entry.bytes;
      if (change.seq < entry.seq || hole < 0 || hole > HOLE_BYTES) return;
      // The zeros keep later lines at their offsets. Reads report the gap.
      const filler = { start: entry.bytes, end: change.bytes, lastSeq: change.seq, lsn, keys: '' };
      this.#touched.add(entry);
      if (hole > 0) entry.addUnfiled({ ...filler, lines: Buffer.alloc(hole) });
      entry.keyBytes = Math.max(entry.keyBytes, change.keyBytes);
    }
    this.#add(entry, change, lsn);
  }

  #create(change: ReplayedChange, lsn: number, known: LogEntry | undefined): void {
    if ((known && known.seq > 0 && !this.#estimated.has(known)) || this.#removed.has(change.log)) return;
    const workerId = change.workerId ?? change.log;
    const base = this.#bases.get(change.log)?.base;
    const { seq, bytes } = change;
    const entry = new LogEntry(change.log, workerId, base ? { seq, bytes, keyBytes: 0 } : NOTHING_FILED);
    if (base) entry.begin = base.head;
    if (known) this.#estimated.delete(known);
    this.#entries.set(entry);
    this.#add(entry, change, lsn);
  }

  #add(entry: LogEntry, change: ReplayedChange, lsn: number): void {
    // a log that has unfiled batches is in the set already; an entry of a set takes longer than this look
    if (!entry.unfiled) this.#touched.add(entry);
    entry.addReplayed(change, lsn);
  }

  /** Corrects an estimated length by the first change of the log. The file may hold more, unsynced, or less. */
  #rebase(entry: LogEntry, change: ReplayedChange): void {
    if (entry.seq < change.seq) this.#noteMisfit(entry, change);
    entry.filed = { seq: change.seq, bytes: change.bytes, keyBytes: change.keyBytes };
    entry.synced = entry.filed;
    entry.seq = change.seq;
    entry.bytes = change.bytes;
    entry.keyBytes = change.keyBytes;
  }

  /**
   * Marks a log as damaged, and reports it after the replay if the log is still there. A checkpoint skips logs that were
   * removed while it was made, so lines of a removed log may be missing before its removal.
   */
  #noteMisfit(entry: LogEntry, { seq, bytes }: ReplayedChange): void {
    if (entry.isDamaged) return;
    entry.isDamaged = true;
    this.#misfits.set(entry, { from: entry.head, to: { seq, bytes } });
  }

  #reportMissingLines(entry: LogEntry, { from, to }: Misfit): void {
    reportDamage(entry, this.#settings.report, {
      message: 'Lines of a Worker are missing',
      offset: from.bytes,
      phase: 'replay',
      detail: { log: entry.log, from, to },
    });
  }

  /**
   * Notes a change of a log whose creation was not found. Either the creation is lost, or the log was removed during a
   * checkpoint.
   */
  #noteUnknown(change: ReplayedChange): void {
    if (change.kind === FRAME_KIND.remove) {
      this.#unknownChanges.delete(change.log);
      this.#removedUnknown.add(change.log);
    } else if (!this.#removed.has(change.log)) this.#unknownChanges.set(change.log, change);
  }

  #reportUnknown({ log, seq, count }: ReplayedChange): void {
    this.#settings.report({
      severity: 'error',
      code: 'LOG_DAMAGED',
      message: 'The write-ahead log has changes of a Worker whose creation is missing',
      details: { file: 'segment', phase: 'replay' },
      detail: { log, seq, count },
    });
  }
}

/**
 * Finds every acknowledged log: from the catalog, or else from the files, and from the write-ahead log after that. Changes
 * that the files do not have yet are left as unfiled batches of their logs.
 */
export const recoverStore = (settings: RecoverySettings): Promise<Recovered> => new Recovery(settings).run();
