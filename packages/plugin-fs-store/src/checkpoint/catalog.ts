import type { Snapshot } from '@worker-runtime/core/plugin-kit';
import { type Filed, LogEntry } from '../files/log-entry.ts';
import { FORMAT_NAME, FORMAT_VERSION } from '../layout/layout.ts';
import { NEWLINE } from '../layout/line.ts';
import { sealLine, unsealLine } from '../layout/sealed-line.ts';
import type { WalPosition } from '../wal/wal-position.ts';
import { CatalogSnapshot } from './catalog-snapshot.ts';
import { decodeLogLine } from './log-line.ts';

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
  readonly logs: Map<string, LogEntry>;
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

/** Reads a catalog. Each line is decoded on its own, so that damage affects only the lines that it hit. */
export const readCatalog = (bytes: Buffer): Catalog => {
  const logs = new Map<string, LogEntry>();
  let header: HeaderLine | null = null;
  let checkpoint: Checkpoint | null = null;
  let committed = 0;
  let lines = 0;
  let damagedAt: number | null = null;
  let mismatchAt: number | null = null;
  // The last checkpoint may be incomplete without damage: after an interrupted append, its end can be on disk before its
  // middle. It becomes damage once a complete checkpoint follows.
  let incompleteAt: number | null = null;
  let changes: (LogEntry | RemovalLine)[] = [];
  let pending: (LogEntry | RemovalLine)[] = [];
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, at);
    const end = newline < 0 ? bytes.length : newline;
    const json = newline < 0 ? undefined : unsealLine(bytes, at, end);
    const line = json && (decodeLogLine(bytes, end - json.length, end) ?? decodeLine(json));
    if (line === undefined) mismatchAt ??= at;
    else if (line instanceof LogEntry || 'removed' in line) pending.push(line);
    else if ('format' in line) header = line;
    else {
      const isWhole = mismatchAt === null && line.lines === pending.length;
      // Not pushed with a spread: there may be more lines than a call accepts as arguments.
      changes = changes.length === 0 ? pending : changes.concat(pending);
      lines += pending.length;
      pending = [];
      if (isWhole) {
        damagedAt ??= incompleteAt;
        for (const change of changes) {
          if ('removed' in change) logs.delete(change.removed);
          else logs.set(change.log, change);
        }
        changes = [];
        checkpoint = line;
        committed = end + 1;
      } else incompleteAt ??= mismatchAt ?? at;
      mismatchAt = null;
    }
    at = end + 1;
  }
  if (!header || !checkpoint) damagedAt ??= incompleteAt ?? mismatchAt ?? 0;
  return {
    runtimeId: header?.runtimeId ?? null,
    version: header?.version ?? FORMAT_VERSION,
    logs,
    checkpoint,
    bytes: committed,
    base: Math.ceil((committed * logs.size) / Math.max(1, lines)),
    damagedAt,
  };
};
