import type { LogHead } from '@worker-runtime/core/plugin-kit';
import { type Disk, readRange } from '../disk/disk.ts';
import type { Lane } from '../disk/lane.ts';
import { type LogEntry, unfiledBytes } from '../files/log-entry.ts';
import type { WorkerFiles } from '../files/worker-files.ts';

/** The bytes of a log, from its file and from memory. */
export interface LineSource {
  /** The end of the lines that were trimmed. No byte before it is read. */
  readonly begin: LogHead;
  readonly head: LogHead;
  /** Reads a range within the head, into given memory if that suits. The result is shorter if the file has lost its end. */
  bytes(from: number, to: number, into?: Uint8Array): Promise<Buffer>;
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Returns the bytes of a log at its present head: filed bytes from its file, unfiled ones from memory. */
export const sourceOf = (entry: LogEntry, files: WorkerFiles, disk: Disk, lane: Lane): LineSource => {
  const bytes = async (from: number, to: number, isRetry: boolean, into?: Uint8Array): Promise<Buffer> => {
    const { unfiled } = entry;
    const filed = entry.filed.bytes;
    // Taken before the first await, because unfiled bytes may be filed while the file is read.
    const memory = unfiled && to > filed ? asBuffer(unfiledBytes(unfiled, Math.max(from, filed), to)) : null;
    if (from >= filed) return memory ?? Buffer.alloc(0);
    const length = Math.min(to, filed) - from;
    const file = await lane.run(() =>
      files.read(files.events(entry), (handle) => readRange(disk, handle, from, length, into)),
    );
    // After a failed sync a file is cut and written again, possibly during this read. The missing bytes are then in memory.
    if (file.length < length && !isRetry) return bytes(from, to, true, into);
    if (!memory) return file;
    // If the file has lost its end, zeros keep the bytes from memory at their offsets.
    const gap = Buffer.alloc(length - file.length);
    return Buffer.concat([file, gap, memory]);
  };
  return { begin: entry.begin, head: entry.head, bytes: (from, to, into) => bytes(from, to, false, into) };
};
