import { type FileHandle, open } from 'node:fs/promises';
import { RuntimeError } from '@worker-runtime/core';
import { isObject } from '@worker-runtime/core/plugin-kit';
import { AUDIT_FILES, type AuditLine, MAX_LINE_BYTES } from './audit-log.ts';

/** The bytes that are read for one page, also if no line of them belongs to it. */
const PAGE_BYTES = 1_048_576;
const CHUNK_BYTES = 8 * MAX_LINE_BYTES;
const CURSOR = /^audit\.(\d{1,20}-\d{1,20})\.(\d{1,15})$/;

export interface AuditPage {
  readonly items: readonly AuditLine[];
  /** Continues with older lines; null at the end of the log. */
  readonly next: string | null;
}

/** A file of the log, which keeps its id when it gets another name. */
interface LogFile {
  readonly id: string;
  readonly handle: FileHandle;
  readonly bytes: number;
}

interface Place {
  readonly file: string;
  /** The lines before this byte come next. */
  readonly end: number;
}

const cursorOf = ({ file, end }: Place): string => `audit.${file}.${end}`;

/** @throws CURSOR_INVALID */
const placeOf = (cursor: string): Place => {
  const [, file, end] = CURSOR.exec(cursor) ?? [];
  if (file === undefined) throw new RuntimeError('CURSOR_INVALID');
  return { file, end: Number(end) };
};

const lineIn = (text: string): AuditLine | null => {
  try {
    const line: unknown = JSON.parse(text);
    return isObject(line) ? (line as unknown as AuditLine) : null;
  } catch {
    // an empty line, or the part of one that a process wrote before it was killed
    return null;
  }
};

/** Opens the files of a log, the newest first. A file that gets an older name during this is found under it. */
const openAll = async (path: string): Promise<readonly LogFile[]> => {
  const files = new Map<string, LogFile>();
  for (let older = 0; older < AUDIT_FILES; older++) {
    let handle: FileHandle;
    try {
      handle = await open(older === 0 ? path : `${path}.${older}`);
    } catch {
      break;
    }
    const { ino, birthtimeMs, size } = await handle.stat();
    const id = `${ino}-${Math.floor(birthtimeMs)}`;
    if (files.has(id)) await handle.close();
    else files.set(id, { id, handle, bytes: size });
  }
  return [...files.values()];
};

/**
 * Reads a page of the lines of a workspace, the newest first. It reads at most 1 MiB of the log, so a page may have fewer lines
 * than asked for, or none, although `next` is not null.
 * @throws CURSOR_INVALID · CURSOR_EXPIRED the log has deleted the file of the cursor
 */
export const readAuditPage = async (
  path: string,
  workspace: string,
  { after, limit }: { readonly after: string | undefined; readonly limit: number },
): Promise<AuditPage> => {
  const from = after === undefined ? null : placeOf(after);
  const files = await openAll(path);
  try {
    const first = from === null ? 0 : files.findIndex(({ id }) => id === from.file);
    if (first < 0) throw new RuntimeError('CURSOR_EXPIRED');
    const items: AuditLine[] = [];
    let budget = PAGE_BYTES;
    for (const { id, handle, bytes } of files.slice(first)) {
      let end = from?.file === id ? Math.min(from.end, bytes) : bytes;
      while (end > 0) {
        if (budget <= 0) return { items, next: cursorOf({ file: id, end }) };
        const begin = Math.max(0, end - CHUNK_BYTES);
        const chunk = Buffer.alloc(end - begin);
        await handle.read(chunk, 0, chunk.length, begin);
        budget -= chunk.length;
        // the first line is complete at the beginning of the file only
        const complete = begin === 0 ? 0 : chunk.indexOf('\n') + 1;
        let lineEnd = chunk.length;
        while (lineEnd > complete) {
          // a negative position would count from the end
          const lineBegin = lineEnd < 2 ? 0 : chunk.lastIndexOf('\n', lineEnd - 2) + 1;
          const line = lineIn(chunk.toString('utf8', lineBegin, lineEnd));
          lineEnd = lineBegin;
          if (line?.workspace !== workspace) continue;
          items.push(line);
          const place = { file: id, end: begin + lineEnd };
          if (items.length === limit) return { items, next: cursorOf(place) };
        }
        // without the beginning of a line, the chunk is a part of something that no backend has written
        end = complete === 0 || complete === chunk.length ? begin : begin + complete;
      }
    }
    return { items, next: null };
  } finally {
    await Promise.all(files.map(({ handle }) => handle.close()));
  }
};
