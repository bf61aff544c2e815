import { join } from 'node:path';
import type { LogHead, StoreFinding } from '@worker-runtime/core/plugin-kit';
import { type Disk, readRange } from '../disk/disk.ts';
import type { FoundBases } from '../files/base-files.ts';
import { LogEntry, NOTHING_FILED } from '../files/log-entry.ts';
import { idOfFileName } from '../layout/file-name.ts';
import { directoryNameOf, type Layout } from '../layout/layout.ts';
import { NEWLINE } from '../layout/line.ts';
import { decodeDocument } from '../layout/worker-document.ts';
import { findLine } from '../read/line-finder.ts';

/** Finds the end of the last whole line in a file of lines. */
const measure = async (
  disk: Disk,
  path: string,
  begin: LogHead,
): Promise<{ seq: number; bytes: number; size: number }> => {
  const size = (await disk.size(path)) ?? 0;
  if (size === 0) return { seq: 0, bytes: 0, size };
  const file = await disk.open(path, 'read');
  try {
    const source = {
      begin,
      head: { seq: Number.MAX_SAFE_INTEGER, bytes: size },
      bytes: (from: number, to: number) => readRange(disk, file, from, to - from),
    };
    let { before: line } = await findLine(source, Number.MAX_SAFE_INTEGER);
    while (line) {
      for (let at = line.offset; at < size; ) {
        const block = await source.bytes(at, Math.min(at + 65_536, size));
        const newline = block.indexOf(NEWLINE);
        if (newline >= 0) return { seq: line.seq, bytes: at + newline + 1, size };
        if (block.length === 0) break;
        at += block.length;
      }
      line = (await findLine(source, line.seq)).before;
    }
    return { seq: 0, bytes: 0, size };
  } finally {
    await disk.close(file);
  }
};

/** Returns the ids of a log's directory, from its document or else from its name; null if neither gives them. */
const idsOf = async (
  disk: Disk,
  layout: Layout,
  name: string,
): Promise<{ log: string; workerId: string } | null> => {
  try {
    const document = decodeDocument(await disk.readFile(join(layout.worker(name), 'worker.json')));
    if (document) return document;
  } catch {
    // The name gives the ids too, if it was not shortened.
  }
  const dot = name.indexOf('.');
  const workerId = dot < 0 ? null : idOfFileName(name.slice(0, dot));
  const log = idOfFileName(name.slice(dot + 1));
  return workerId === null || log === null ? null : { workerId, log };
};

/**
 * Lists the logs of a store without a catalog by their files: each log ends at the last whole line of its file. If an
 * older catalog says that a log was longer, the log gets that length, because its file has lost something.
 */
export const surveyWorkers = async (
  disk: Disk,
  layout: Layout,
  names: readonly string[],
  described: Iterable<LogEntry>,
  bases: FoundBases['bases'],
  report: (finding: StoreFinding) => void,
): Promise<readonly LogEntry[]> => {
  const entries = new Map<string, LogEntry>();
  for (const name of names) {
    const ids = await idsOf(disk, layout, name);
    if (!ids || directoryNameOf(ids.workerId, ids.log) !== name) {
      report({
        severity: 'warning',
        code: 'UNKNOWN_DIRECTORY',
        message: 'The directory workers contains an unknown directory; it is left unchanged',
        details: { file: 'workers', phase: 'open' },
        detail: { name },
      });
      continue;
    }
    const directory = layout.worker(name);
    let found = { seq: 0, bytes: 0, size: 0 };
    const begin = bases.get(ids.log)?.base.head ?? NOTHING_FILED;
    let failure: unknown = null;
    let keyBytes = 0;
    try {
      found = await measure(disk, join(directory, 'events.jsonl'), begin);
      keyBytes = (await disk.size(join(directory, 'keys.jsonl'))) ?? 0;
    } catch (error) {
      failure = error;
    }
    const { seq, bytes } = found;
    const entry = new LogEntry(ids.log, ids.workerId, { seq, bytes, keyBytes });
    if (failure !== null) entry.isDamaged = true;
    entries.set(entry.log, entry);
  }
  for (const entry of described) {
    const found = entries.get(entry.log);
    // A file that has lost lines is detected by its size when the log is first used.
    if (found && found.seq < entry.seq) entries.set(entry.log, entry);
  }
  return [...entries.values()];
};
