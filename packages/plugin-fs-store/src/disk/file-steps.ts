import { type Disk, writeFully } from './disk.ts';
import type { FileJob, FileStep } from './file-job.ts';

/** The part of a disk that jobs with files need. */
export type FileDisk = Pick<
  Disk,
  'open' | 'close' | 'write' | 'truncate' | 'sync' | 'size' | 'makeDirectory' | 'syncDirectory'
>;

const withFile = async (
  disk: FileDisk,
  path: string,
  mode: Parameters<Disk['open']>[1],
  use: (file: number) => Promise<void>,
): Promise<void> => {
  const file = await disk.open(path, mode);
  try {
    await use(file);
  } finally {
    await disk.close(file);
  }
};

const check = async (disk: FileDisk, path: string, leastBytes: number): Promise<void> => {
  if (((await disk.size(path)) ?? 0) < leastBytes)
    throw Object.assign(new Error('The file was moved away or cut'), { code: 'ENOENT' });
};

const BLOCK_BYTES = 1_048_576;

/** Joins chunks to blocks of about a mebibyte, because one write per chunk would cost more than the copy. */
function* blocksOf(chunks: readonly Uint8Array[]): Generator<Uint8Array> {
  let block: Uint8Array[] = [];
  let bytes = 0;
  const joined = (): Uint8Array =>
    block.length === 1 ? (block[0] as Uint8Array) : Buffer.concat(block, bytes);
  for (const chunk of chunks) {
    block.push(chunk);
    bytes += chunk.length;
    if (bytes < BLOCK_BYTES) continue;
    yield joined();
    block = [];
    bytes = 0;
  }
  if (bytes > 0) yield joined();
}

const perform = async (disk: FileDisk, step: FileStep): Promise<void> => {
  const { path } = step;
  switch (step.step) {
    case 'makeDirectory':
      return disk.makeDirectory(path);
    case 'check':
      return check(disk, path, step.leastBytes);
    case 'sync':
      return withFile(disk, path, 'write', (file) => disk.sync(file));
    case 'syncDirectory':
      return disk.syncDirectory(path);
    case 'write':
      // A file that was replaced by a shorter one gets no hole.
      if (step.mode === 'write' && step.cutAt === null) await check(disk, path, step.at);
      return withFile(disk, path, step.mode, async (file) => {
        if (step.cutAt !== null) await disk.truncate(file, step.cutAt);
        let at = step.at;
        for (const block of blocksOf(step.chunks)) {
          await writeFully(disk, file, block, at);
          at += block.length;
        }
      });
  }
};

/**
 * Performs jobs one after the other, with one call to the disk at a time. The first failure of a job ends that job only.
 * Returns the failure of each job, or null.
 */
export const performJobs = async (
  disk: FileDisk,
  jobs: readonly FileJob[],
): Promise<readonly (Error | null)[]> => {
  const failures: (Error | null)[] = [];
  for (const job of jobs) {
    let failure: Error | null = null;
    try {
      for (const step of job) await perform(disk, step);
    } catch (error) {
      failure = error as Error;
    }
    failures.push(failure);
  }
  return failures;
};
