import { resolve } from 'node:path';
import { type OptionReader, optional, readOptions, text, wholeNumber } from '@worker-runtime/core/plugin-kit';
import type { Disk } from '../disk/disk.ts';
import { nodeDisk } from '../disk/node-disk.ts';
import { Layout } from '../layout/layout.ts';

export interface FsStoreOptions {
  /** The directory of the store. A missing one is made. */
  readonly dir: string;
  /**
   * The moment at which a commit is acknowledged. `commit` (the default): after a sync, so it survives a power loss. With
   * `intervalMs`: after the write, so it survives the end of the process. A power loss may then lose about the last
   * interval of acknowledged commits; what remains has no holes.
   */
  readonly durability?: 'commit' | { readonly intervalMs: number };
  /** The size of a segment of the write-ahead log. Default 64 MiB. */
  readonly segmentBytes?: number;
  /** The bytes written to the write-ahead log between checkpoints. An open may have to replay as much. Default 64 MiB. */
  readonly checkpointBytes?: number;
  /** The most bytes queued for the write-ahead log. Above it, commits fail with STORE_UNAVAILABLE. Default 64 MiB. */
  readonly queueBytes?: number;
  /**
   * The most bytes kept in memory because they are in the write-ahead log and not in the Workers' files yet. Above it,
   * commits wait for the files. Default 64 MiB.
   */
  readonly behindBytes?: number;
  /**
   * The time that closing may spend on Workers' files for its checkpoint, in milliseconds. It always finishes the Worker in
   * progress. The rest stays in the write-ahead log, and is written after the next open. Default 3,000.
   */
  readonly closingMs?: number;
  /**
   * The bytes that are kept on the disk for stops, ends of runs and removals, so that a full disk can be freed: at most, and
   * at most a sixteenth of the volume. 0 for none. Default 4 MiB.
   */
  readonly reserveBytes?: number;
  /** The number of Workers' files kept open for reads, at most an eighth of the descriptors of the process. Default 256. */
  readonly openFiles?: number;
  /** How long an open waits for another process to close the store, before it fails with STORE_LOCKED. Default 0. */
  readonly lockWaitMs?: number;
}

/** The options with their defaults, in the form that the store uses. */
export interface Settings extends Required<Omit<FsStoreOptions, 'dir' | 'durability'>> {
  readonly disk: Disk;
  readonly layout: Layout;
  readonly syncIntervalMs: number | null;
}

const MEBIBYTE = 1_048_576;
const LONGEST_MS = 3_600_000;

const mebibytes = (most: number): OptionReader<number> =>
  optional(wholeNumber(4_096, most * MEBIBYTE), 64 * MEBIBYTE);

export const interval = wholeNumber(1, LONGEST_MS);

/** The options that have the same form in code and in flags. */
export const BOUNDS = {
  segmentBytes: mebibytes(1_024),
  checkpointBytes: mebibytes(4_096),
  queueBytes: mebibytes(1_024),
  behindBytes: mebibytes(1_024),
  closingMs: optional(wholeNumber(0, LONGEST_MS), 3_000),
  reserveBytes: optional(wholeNumber(0, 1_024 * MEBIBYTE), 4 * MEBIBYTE),
  openFiles: optional(wholeNumber(4, 100_000), 256),
  lockWaitMs: optional(wholeNumber(0, LONGEST_MS), 0),
};

const syncInterval: OptionReader<number | null> = (value = 'commit', refuse) => {
  if (value === 'commit') return null;
  if (typeof value !== 'object') return refuse('must be commit or an object with intervalMs');
  return readOptions('fs-store.durability', value, { intervalMs: interval }).intervalMs;
};

/** Reads the options. @throws INVALID_REQUEST an option is missing, unknown or not valid */
export const settingsOf = (options: FsStoreOptions, disk: Disk = nodeDisk): Settings => {
  const { dir, durability, ...bounds } = readOptions('fs-store', options, {
    dir: text,
    durability: syncInterval,
    ...BOUNDS,
  });
  return { disk, layout: new Layout(resolve(dir)), syncIntervalMs: durability, ...bounds };
};
