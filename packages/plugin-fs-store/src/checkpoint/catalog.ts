import type { Snapshot } from '@worker-runtime/core';
import { type Filed, LogEntry } from '../files/log-entry.ts';
import { FORMAT_NAME, FORMAT_VERSION } from '../layout/layout.ts';
import { NEWLINE } from '../layout/line.ts';
import { sealLine, unsealed } from '../layout/sealed-line.ts';
import type { WalPosition } from '../wal/wal-position.ts';

/** One log in the catalog: what its files hold, synced, and the runtime's view at that time or later. */
interface LogLine extends Filed {
  readonly log: string;
  readonly worker: string;
  /** Where the snapshot is; left out where the files end there. */
  readonly at?: readonly [seq: number, bytes: number];
}

/** Commits the lines before it. */
export interface Checkpoint extends WalPosition {
  readonly checkpoint: number;
  /** Lines since the checkpoint before. */
  readonly lines: number;
  /** Nothing was written after it: the store was closed. */
  readonly isClean: boolean;
}

/** A catalog as it was read. */
export interface Catalog {
  readonly runtimeId: string | null;
  readonly version: number;
  readonly logs: Map<string, LogEntry>;
  readonly checkpoint: Checkpoint | null;
  /** Bytes up to the last checkpoint's end; what lies behind was never committed. */
  readonly bytes: number;
  /** How much of that no later line replaces. */
  readonly base: number;
  /** Where the first damage is, null for none: the logs are then hints, the files are asked. */
  readonly damagedAt: number | null;
}

/** Before the snapshot, the last member of a log's line. No quote inside of a string stands without a backslash. */
const VALUE = ',"value":';

export const catalogHeader = (runtimeId: string): string =>
  sealLine(JSON.stringify({ format: FORMAT_NAME, version: FORMAT_VERSION, runtimeId }));

export const catalogLine = (entry: LogEntry, snapshot: Snapshot | undefined): string => {
  const { log, workerId: worker, filed } = entry;
  const line: LogLine = { log, worker, ...filed };
  // A snapshot ahead of the log would be believed after the lines under it were lost.
  if (!snapshot || snapshot.head.seq > entry.seq) return sealLine(JSON.stringify(line));
  const { seq, bytes } = snapshot.head;
  const isFiled = seq === filed.seq && bytes === filed.bytes;
  const told = JSON.stringify(isFiled ? line : { ...line, at: [seq, bytes] });
  return sealLine(`${told.slice(0, -1)}${VALUE}${snapshot.text}}`);
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

/** What a line says. A snapshot in it stays text, for whoever needs it. */
const read = (json: Buffer): LogEntry | RemovalLine | Checkpoint | HeaderLine | undefined => {
  const end = json.indexOf(VALUE);
  try {
    const line = JSON.parse(end < 0 ? json.toString() : `${json.toString('utf8', 0, end)}}`);
    if (!('log' in line)) return line as RemovalLine | Checkpoint | HeaderLine;
    const { log, worker, seq, bytes, keyBytes, at } = line as LogLine;
    const entry = new LogEntry(log, worker, { seq, bytes, keyBytes });
    if (end >= 0) {
      const text = json.toString('utf8', end + VALUE.length, json.length - 1);
      entry.snapshot = { head: at ? { seq: at[0], bytes: at[1] } : entry.filed, text };
    }
    return entry;
  } catch {
    return undefined;
  }
};

/** Reads a catalog: every line on its own, so that damage costs no more than the lines that it hit. */
export const readCatalog = (bytes: Buffer): Catalog => {
  const logs = new Map<string, LogEntry>();
  let header: HeaderLine | null = null;
  let checkpoint: Checkpoint | null = null;
  let committed = 0;
  let lines = 0;
  let damagedAt: number | null = null;
  let misfitAt: number | null = null;
  // A checkpoint that is not whole was broken off, if it is the last: its end can reach the disk before its middle.
  let doubtAt: number | null = null;
  let changes: (LogEntry | RemovalLine)[] = [];
  let pending: (LogEntry | RemovalLine)[] = [];
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, at);
    const end = newline < 0 ? bytes.length : newline;
    const json = newline < 0 ? undefined : unsealed(bytes, at, end);
    const line = json && read(json);
    if (line === undefined) misfitAt ??= at;
    else if (line instanceof LogEntry || 'removed' in line) pending.push(line);
    else if ('format' in line) header = line;
    else {
      const isWhole = misfitAt === null && line.lines === pending.length;
      // not spread: there may be more of them than a call takes arguments
      changes = changes.concat(pending);
      lines += pending.length;
      pending = [];
      if (isWhole) {
        damagedAt ??= doubtAt;
        for (const change of changes) {
          if ('removed' in change) logs.delete(change.removed);
          else logs.set(change.log, change);
        }
        changes = [];
        checkpoint = line;
        committed = end + 1;
      } else doubtAt ??= misfitAt ?? at;
      misfitAt = null;
    }
    at = end + 1;
  }
  if (!header || !checkpoint) damagedAt ??= doubtAt ?? misfitAt ?? 0;
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
