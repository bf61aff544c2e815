import type { Snapshot } from '@worker-runtime/core/plugin-kit';
import type { Disk } from '../disk/disk.ts';
import { type Filed, LogEntry } from '../files/log-entry.ts';
import { FORMAT_NAME, FORMAT_VERSION } from '../layout/layout.ts';
import { NEWLINE } from '../layout/line.ts';
import { isSealed, SUM_BYTES, sealLine } from '../layout/sealed-line.ts';
import type { WalPosition } from '../wal/wal-position.ts';
import { CatalogSnapshot } from './catalog-snapshot.ts';
import { DescribedLogs } from './described-logs.ts';
import { decodeLogLine } from './log-line.ts';
import { LogTable } from './log-table.ts';

/** One log in the catalog: the synced length of its files, and its snapshot at that time or later. */
interface LogLine extends Filed {
  readonly log: string;
  readonly worker: string;
  /** The position of the snapshot; omitted if the files end there. */
  readonly at?: readonly [seq: number, bytes: number];
}

/** Commits the lines before it. */
export interface Checkpoint extends WalPosition {
  readonly checkpoint: number;
  /** The number of lines since the previous checkpoint. */
  readonly lines: number;
  /** True if nothing was written after it, because the store was closed. */
  readonly isClean: boolean;
}

/** The content of a catalog. */
export interface Catalog {
  readonly runtimeId: string | null;
  readonly version: number;
  readonly logs: LogTable;
  readonly checkpoint: Checkpoint | null;
  /** The bytes up to the end of the last checkpoint. What follows was never committed. */
  readonly bytes: number;
  /** The part of them that no later line replaces. */
  readonly base: number;
  /**
   * The offset of the first damage, or null for none. The logs of a damaged catalog are hints only; their lengths are
   * taken from the files.
   */
  readonly damagedAt: number | null;
}

/**
 * Precedes the snapshot, which is the last member of a log's line. The first match is the right one, because quotes in
 * strings are escaped.
 */
const VALUE = ',"value":';

export const catalogHeader = (runtimeId: string): string =>
  sealLine(JSON.stringify({ format: FORMAT_NAME, version: FORMAT_VERSION, runtimeId }));

export const catalogLine = (entry: LogEntry, snapshot: Snapshot | undefined): string => {
  const { log, workerId: worker, synced } = entry;
  const line: LogLine = { log, worker, ...synced };
  // A snapshot ahead of the log would still be used after the lines that it covers were lost.
  if (!snapshot || snapshot.head.seq > entry.seq) return sealLine(JSON.stringify(line));
  const { seq, bytes } = snapshot.head;
  const isSynced = seq === synced.seq && bytes === synced.bytes;
  const described = JSON.stringify(isSynced ? line : { ...line, at: [seq, bytes] });
  return sealLine(`${described.slice(0, -1)}${VALUE}${snapshot.text}}`);
};

export const removalLine = (log: string): string => sealLine(JSON.stringify({ removed: log }));

export const checkpointLine = (checkpoint: Checkpoint): string => sealLine(JSON.stringify(checkpoint));

interface HeaderLine {
  readonly format: string;
  readonly version: number;
  readonly runtimeId: string;
}

interface RemovalLine {
  readonly removed: string;
}

/** Decodes a line of any form. A snapshot in it stays bytes. Returns undefined if the line cannot be decoded. */
const decodeLine = (json: Buffer): LogEntry | RemovalLine | Checkpoint | HeaderLine | undefined => {
  const end = json.indexOf(VALUE);
  try {
    const line = JSON.parse(end < 0 ? json.toString() : `${json.toString('utf8', 0, end)}}`);
    if (!('log' in line)) return line as RemovalLine | Checkpoint | HeaderLine;
    const { log, worker, seq, bytes, keyBytes, at } = line as LogLine;
    const entry = new LogEntry(log, worker, { seq, bytes, keyBytes });
    if (end >= 0) {
      const head = at ? { seq: at[0], bytes: at[1] } : entry.filed;
      entry.snapshot = new CatalogSnapshot(head, json, end + VALUE.length, json.length - 1);
    }
    return entry;
  } catch {
    return undefined;
  }
};

/** The index of a line among the described logs, or what another line says. */
type Change = number | LogEntry | RemovalLine;

/**
 * Reads a catalog, piece by piece while its bytes arrive. Each line is decoded on its own, so that damage affects only the lines that it
 * hit.
 */
class CatalogReader {
  readonly #bytes: Buffer;
  readonly #described: DescribedLogs;
  readonly #logs: LogTable;
  #at = 0;
  #header: HeaderLine | null = null;
  #checkpoint: Checkpoint | null = null;
  #committed = 0;
  #lines = 0;
  #damagedAt: number | null = null;
  #mismatchAt: number | null = null;
  // The last checkpoint may be incomplete without damage: after an interrupted append, its end can be on disk before its
  // middle. It becomes damage once a complete checkpoint follows.
  #incompleteAt: number | null = null;
  #changes: Change[] = [];
  /** The number of changes before the last checkpoint, which was incomplete. */
  #earlier = 0;

  /** `bytes` are filled before they are given to `read`. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#described = new DescribedLogs(bytes);
    this.#logs = new LogTable(this.#described);
  }

  /** Reads the whole lines before an offset; at the end of the catalog, also a line without its end. */
  read(to: number, isEnd = false): void {
    const bytes = this.#bytes.subarray(0, to);
    while (this.#at < to) {
      const newline = bytes.indexOf(NEWLINE, this.#at);
      if (newline < 0 && !isEnd) return;
      this.#line(this.#at, newline < 0 ? to : newline, newline >= 0);
      this.#at = (newline < 0 ? to : newline) + 1;
    }
  }

  /** Returns the content, after all bytes were read. */
  end(): Catalog {
    const { size } = this.#logs;
    if (!this.#header || !this.#checkpoint) this.#damagedAt ??= this.#incompleteAt ?? this.#mismatchAt ?? 0;
    this.#described.end();
    return {
      runtimeId: this.#header?.runtimeId ?? null,
      version: this.#header?.version ?? FORMAT_VERSION,
      logs: this.#logs,
      checkpoint: this.#checkpoint,
      bytes: this.#committed,
      base: Math.ceil((this.#committed * size) / Math.max(1, this.#lines)),
      damagedAt: this.#damagedAt,
    };
  }

  #line(at: number, end: number, isWhole: boolean): void {
    if (!isWhole || !isSealed(this.#bytes, at, end)) {
      this.#mismatchAt ??= at;
      return;
    }
    const from = at + SUM_BYTES;
    const index = this.#described.read(from, end);
    if (index >= 0) {
      this.#changes.push(index);
      return;
    }
    const line = decodeLogLine(this.#bytes, from, end) ?? decodeLine(this.#bytes.subarray(from, end));
    if (line === undefined) this.#mismatchAt ??= at;
    else if (line instanceof LogEntry || 'removed' in line) this.#changes.push(line);
    else if ('format' in line) this.#header = line;
    else this.#end(line, at, end);
  }

  #end(checkpoint: Checkpoint, at: number, end: number): void {
    const count = this.#changes.length - this.#earlier;
    const isWhole = this.#mismatchAt === null && checkpoint.lines === count;
    this.#lines += count;
    if (isWhole) {
      this.#damagedAt ??= this.#incompleteAt;
      this.#commit();
      this.#checkpoint = checkpoint;
      this.#committed = end + 1;
    } else this.#incompleteAt ??= this.#mismatchAt ?? at;
    this.#earlier = this.#changes.length;
    this.#mismatchAt = null;
  }

  #commit(): void {
    for (const change of this.#changes) {
      if (typeof change === 'number') this.#logs.describe(change);
      else if ('removed' in change) this.#logs.delete(change.removed);
      else this.#logs.set(change);
    }
    this.#changes = [];
  }
}

/** The bytes of a catalog that are read from the disk while those before them are decoded. */
const SLICE_BYTES = 2_097_152;

/** Reads the catalog of a path. Fails with the errors of the disk, and with ENOENT if there is none. */
export const readCatalogFile = async (disk: Disk, path: string): Promise<Catalog> => {
  const file = await disk.open(path, 'read');
  try {
    const bytes = Buffer.allocUnsafeSlow((await disk.size(path)) ?? 0);
    const reader = new CatalogReader(bytes);
    const slice = (at: number): Promise<number> =>
      disk.read(file, bytes.subarray(at, at + SLICE_BYTES), at).then((count) => at + count);
    let next = slice(0);
    for (let at = 0; ; ) {
      const to = await next;
      const isEnd = to === at || to === bytes.length;
      if (!isEnd) {
        next = slice(to);
        next.catch(() => {});
      }
      reader.read(to, isEnd);
      if (isEnd) return reader.end();
      at = to;
    }
  } finally {
    await disk.close(file);
  }
};

/** Reads a catalog whose bytes are all there. */
export const readCatalog = (bytes: Buffer): Catalog => {
  const reader = new CatalogReader(bytes);
  reader.read(bytes.length, true);
  return reader.end();
};
