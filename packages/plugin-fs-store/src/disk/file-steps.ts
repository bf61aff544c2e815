import { type Disk, writeFully } from './disk.ts';

/** One step of a job with the files of a log. Steps are plain values, so that a job can be sent to another thread. */
export type FileStep =
  | { readonly step: 'makeDirectory'; readonly path: string }
  | {
      readonly step: 'write';
      readonly path: string;
      readonly mode: 'write' | 'create' | 'replace';
      /** The length to which the file is cut first; null for no cut. */
      readonly cutAt: number | null;
      /** The offset of the first byte. The file must reach up to it. */
      readonly at: number;
      readonly chunks: readonly Uint8Array[];
    }
  | { readonly step: 'sync'; readonly path: string }
  | { readonly step: 'syncDirectory'; readonly path: string }
  /** Fails with ENOENT if the file is missing or shorter: it was moved away, replaced or cut. */
  | { readonly step: 'check'; readonly path: string; readonly leastBytes: number };

/** The part of a disk that jobs with files need. */
export type FileDisk = Pick<
  Disk,
  'open' | 'close' | 'write' | 'truncate' | 'sync' | 'size' | 'makeDirectory' | 'syncDirectory'
>;

/** The steps of one log, in order. */
export type FileJob = readonly FileStep[];

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
      return withFile(disk, path, step.mode, async (file) => {
        if (step.cutAt !== null) await disk.truncate(file, step.cutAt);
        let at = step.at;
        for (const chunk of step.chunks) {
          await writeFully(disk, file, chunk, at);
          at += chunk.length;
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
