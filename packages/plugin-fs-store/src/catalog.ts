import type { Snapshot } from '@worker-runtime/core';
import { FORMAT_NAME, FORMAT_VERSION } from './layout.ts';
import { NEWLINE } from './line.ts';
import type { Filed, LogEntry } from './log-entry.ts';
import { sealLine, unsealed } from './sealed-line.ts';
import type { WalPosition } from './wal-position.ts';

/** One log in the catalog: what its files hold, synced, and the runtime's view at that time or later. */
export interface CatalogLog extends Filed {
  readonly log: string;
  readonly worker: string;
  readonly at?: readonly [seq: number, bytes: number];
  /** Of the snapshot, as it stands in the line. */
  readonly value?: string;
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
  readonly logs: ReadonlyMap<string, CatalogLog>;
  readonly checkpoint: Checkpoint | null;
  /** Bytes up to the last checkpoint's end; what lies behind was never committed. */
  readonly bytes: number;
  /** Lines of logs, superseded ones too. */
  readonly lines: number;
  /** Where the first damage is, null for none: the logs are then hints, the files are asked. */
  readonly damagedAt: number | null;
}

/** Before the snapshot, the last member of a log's line. No quote inside of a string stands without a backslash. */
const VALUE = ',"value":';

export const catalogHeader = (runtimeId: string): string =>
  sealLine(JSON.stringify({ format: FORMAT_NAME, version: FORMAT_VERSION, runtimeId }));

export const catalogLine = (entry: LogEntry, snapshot: Snapshot | undefined): string => {
  const line: CatalogLog = { log: entry.log, worker: entry.workerId, ...entry.filed };
  // A snapshot ahead of the log would be believed after the lines under it were lost.
  const isUsable = snapshot !== undefined && snapshot.head.seq <= entry.seq;
  if (!isUsable) return sealLine(JSON.stringify(line));
  const told = JSON.stringify({ ...line, at: [snapshot.head.seq, snapshot.head.bytes] });
  return sealLine(`${told.slice(0, -1)}${VALUE}${snapshot.text}}`);
};

export const removalLine = (log: string): string => sealLine(JSON.stringify({ removed: log }));

export const checkpointLine = (checkpoint: Checkpoint): string => sealLine(JSON.stringify(checkpoint));

export const snapshotOfLine = (line: CatalogLog): Snapshot | null =>
  line.at && line.value !== undefined
    ? { head: { seq: line.at[0], bytes: line.at[1] }, text: line.value }
    : null;

interface HeaderLine {
  readonly format: string;
  readonly version: number;
  readonly runtimeId: string;
}

type Line = CatalogLog | Checkpoint | HeaderLine | { readonly removed: string };

/** A line as it was read: the snapshot in it stays text, for whoever needs it. */
const lineIn = (json: Buffer): Line | undefined => {
  const at = json.indexOf(VALUE);
  try {
    if (at < 0) return JSON.parse(json.toString()) as Line;
    const line = JSON.parse(`${json.toString('utf8', 0, at)}}`) as {
      -readonly [K in keyof CatalogLog]: CatalogLog[K];
    };
    line.value = json.toString('utf8', at + VALUE.length, json.length - 1);
    return line;
  } catch {
    return undefined;
  }
};

/** Reads a catalog: every line on its own, so that damage costs no more than the lines that it hit. */
export const readCatalog = (bytes: Buffer): Catalog => {
  const logs = new Map<string, CatalogLog>();
  let header: HeaderLine | null = null;
  let checkpoint: Checkpoint | null = null;
  let committed = 0;
  let lines = 0;
  let damagedAt: number | null = null;
  let misfitAt: number | null = null;
  // A checkpoint that is not whole was broken off, if it is the last: its end can reach the disk before its middle.
  let doubtAt: number | null = null;
  let changes: (CatalogLog | { readonly removed: string })[] = [];
  let pending: (CatalogLog | { readonly removed: string })[] = [];
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, at);
    const end = newline < 0 ? bytes.length : newline;
    const json = newline < 0 ? undefined : unsealed(bytes, at, end);
    const line = json && lineIn(json);
    if (line === undefined) misfitAt ??= at;
    else if ('format' in line) header = line;
    else if ('checkpoint' in line) {
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
    } else pending.push(line);
    at = end + 1;
  }
  if (!header || !checkpoint) damagedAt ??= doubtAt ?? misfitAt ?? 0;
  return {
    runtimeId: header?.runtimeId ?? null,
    version: header?.version ?? FORMAT_VERSION,
    logs,
    checkpoint,
    bytes: committed,
    lines,
    damagedAt,
  };
};
