import { join } from 'node:path';
import { type Disk, readRange } from '../disk/disk.ts';
import { decodeKeys, encodeKeys } from '../layout/key-lines.ts';
import { directoryNameOf, type Layout } from '../layout/layout.ts';
import { NEWLINE, seqAt } from '../layout/line.ts';
import { type BatchRecord, documentOf, type LogEntry } from './log-entry.ts';

/** The kinds of files in `rescued/`: lines of `events.jsonl`, lines of `keys.jsonl`, the text of `worker.json`. */
const KINDS = ['jsonl', 'keys', 'worker'] as const;

/** The lines of a log that were put aside, because its own files could not be written. */
export interface RescuedLines extends BatchRecord {
  /** The name of their files without its ending. */
  readonly name: string;
  /** The text of `worker.json`, if it could not be written either. */
  readonly document: string | null;
}

/** Returns the name of the rescued lines that begin at an offset of a log. */
const rescuedName = ({ workerId, log }: LogEntry, offset: number): string =>
  `${directoryNameOf(workerId, log)}.${offset}`;

const pathOf = (layout: Layout, name: string, kind: (typeof KINDS)[number]): string =>
  join(layout.rescued, `${name}.${kind}`);

/**
 * Puts the first `count` unfiled batches of a log aside, synced, because its own files cannot be written at the moment. They
 * stay unfiled, in memory. From then on the write-ahead log may be retired: one such Worker must not keep it. Returns the
 * name.
 */
export const rescue = async (disk: Disk, layout: Layout, entry: LogEntry, count: number): Promise<string> => {
  const name = rescuedName(entry, entry.filed.bytes);
  const batches = entry.unfiled?.batches.slice(0, count) ?? [];
  const parts = {
    // The lines come last: without them, the others have no meaning.
    worker: [documentOf(entry.unfiled)],
    keys: [Buffer.from(batches.map((batch) => batch.keys).join(''))],
    jsonl: batches.map((batch) => batch.lines),
  };
  await disk.makeDirectory(layout.rescued);
  for (const kind of ['worker', 'keys', 'jsonl'] as const) {
    if (parts[kind].some((part) => part.length > 0))
      await disk.replace(pathOf(layout, name, kind), parts[kind]);
  }
  await disk.syncDirectory(layout.root);
  return name;
};

/** Returns the paths of the files that `rescue` may have written with this name. */
export const rescuedPaths = (layout: Layout, name: string): readonly string[] =>
  KINDS.map((kind) => pathOf(layout, name, kind));

/** Lists the names of all rescued lines, with the name of the log's directory and the offset of the first line. */
export const listRescued = async (
  disk: Disk,
  layout: Layout,
): Promise<readonly { readonly directory: string; readonly offset: number; readonly name: string }[]> => {
  const found: { directory: string; offset: number; name: string }[] = [];
  for (const file of await disk.list(layout.rescued)) {
    const [, directory, offset] = /^(.+)\.(\d+)\.jsonl$/.exec(file) ?? [];
    if (directory !== undefined && offset !== undefined)
      found.push({ directory, offset: Number(offset), name: `${directory}.${offset}` });
  }
  return found.sort((a, b) => a.offset - b.offset);
};

/** Reads the rescued lines that follow line `seq` at an offset of a log. Returns null if there are none that fit. */
export const readRescued = async (
  disk: Disk,
  layout: Layout,
  entry: LogEntry,
  { seq, bytes }: { readonly seq: number; readonly bytes: number },
): Promise<RescuedLines | null> => {
  const name = rescuedName(entry, bytes);
  const part = (kind: (typeof KINDS)[number]): Promise<Buffer> =>
    disk.readFile(pathOf(layout, name, kind)).catch(() => Buffer.alloc(0));
  const lines = await part('jsonl');
  let lastSeq = seq;
  for (let at = 0; at < lines.length; at = lines.indexOf(NEWLINE, at) + 1) {
    if (seqAt(lines, at) !== lastSeq + 1 || lines.indexOf(NEWLINE, at) < 0) return null;
    lastSeq += 1;
  }
  if (lastSeq === seq) return null;
  const document = (await part('worker')).toString();
  // An interrupted rescue may have written keys of lines that it did not write.
  const keys = decodeKeys((await part('keys')).toString(), { seq: lastSeq, bytes: bytes + lines.length });
  return {
    name,
    lines,
    start: bytes,
    end: bytes + lines.length,
    lastSeq,
    lsn: 0,
    keys: keys.length > 0 ? encodeKeys(keys) : '',
    document: document === '' ? null : document,
  };
};

/**
 * Returns the offset at which rescued lines end if the file of their log already has them. Returns null if it has not, or
 * cannot be read.
 */
export const filedEnd = async (
  disk: Disk,
  layout: Layout,
  eventsPath: string,
  name: string,
  offset: number,
): Promise<number | null> => {
  try {
    const lines = await disk.readFile(pathOf(layout, name, 'jsonl'));
    const file = await disk.open(eventsPath, 'read');
    try {
      const found = await readRange(disk, file, offset, lines.length);
      return lines.equals(found) ? offset + lines.length : null;
    } finally {
      await disk.close(file);
    }
  } catch {
    return null;
  }
};
