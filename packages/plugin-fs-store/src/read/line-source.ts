import type { LogHead } from '@worker-runtime/core';
import { type Disk, readRange } from '../disk/disk.ts';
import type { Lane } from '../disk/lane.ts';
import { bytesBehind, type LogEntry } from '../files/log-entry.ts';
import type { WorkerFiles } from '../files/worker-files.ts';

/** The bytes of a log, wherever they are. */
export interface LineSource {
  readonly head: LogHead;
  /** A range that lies within the head; shorter where the file has lost its end. */
  bytes(from: number, to: number): Promise<Buffer>;
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** A log as it is now: the filed part from its file, what is behind from memory. Later appends do not show. */
export const sourceOf = (entry: LogEntry, files: WorkerFiles, disk: Disk, lane: Lane): LineSource => {
  const bytes = async (from: number, to: number, isAgain: boolean): Promise<Buffer> => {
    const { behind } = entry;
    const filed = entry.filed.bytes;
    // Taken before the first await: what is behind may be filed while the file is read.
    const memory = behind && to > filed ? asBuffer(bytesBehind(behind, Math.max(from, filed), to)) : null;
    if (from >= filed) return memory ?? Buffer.alloc(0);
    const length = Math.min(to, filed) - from;
    const file = await lane.run(() =>
      files.pool.use(files.events(entry), 'write', (handle) => readRange(disk, handle, from, length)),
    );
    // A file whose sync failed is cut and written anew, perhaps just then: what is missing is in memory meanwhile.
    if (file.length < length && !isAgain) return bytes(from, to, true);
    if (!memory) return file;
    // A file that lost its end: the bytes behind it keep their places.
    const gap = Buffer.alloc(length - file.length);
    return Buffer.concat([file, gap, memory]);
  };
  return { head: entry.head, bytes: (from, to) => bytes(from, to, false) };
};
