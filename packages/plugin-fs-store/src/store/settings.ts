import { resolve } from 'node:path';
import { type OptionReader, optional, readOptions, text, wholeNumber } from '@worker-runtime/core';
import type { Disk } from '../disk/disk.ts';
import { nodeDisk } from '../disk/node-disk.ts';
import { Layout } from '../layout/layout.ts';

export interface FsStoreOptions {
  /** The directory of the store; made where it is missing. */
  readonly dir: string;
  /**
   * When an acknowledgement is given. `commit` (the default): after a sync, so it survives a power loss. With
   * `intervalMs`: after the write, so it survives the process; a power loss may take what was acknowledged last,
   * about as long ago as the interval, and what remains has no holes.
   */
  readonly durability?: 'commit' | { readonly intervalMs: number };
  /** How large a segment of the log becomes. Default 64 MiB. */
  readonly segmentBytes?: number;
  /** After how much log a checkpoint is made. Default 64 MiB: what an open may have to replay. */
  readonly checkpointBytes?: number;
  /** What may wait for the log; beyond it, commits are refused with STORE_UNAVAILABLE. Default 64 MiB. */
  readonly queueBytes?: number;
  /** What the log may have ahead of the Workers' files, in memory; beyond it, commits wait for them. Default 64 MiB. */
  readonly behindBytes?: number;
  /**
   * How long closing files Workers, for a checkpoint, besides the one that is being filed. What it does not reach is in
   * the log, and filed after the next open. Default 3,000.
   */
  readonly closingMs?: number;
  /** Files of Workers kept open. Default 256. */
  readonly openFiles?: number;
}

/** Options as the store works with them. */
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

/** What code and flags say in the same way. */
export const BOUNDS = {
  segmentBytes: mebibytes(1_024),
  checkpointBytes: mebibytes(4_096),
  queueBytes: mebibytes(1_024),
  behindBytes: mebibytes(1_024),
  closingMs: optional(wholeNumber(0, LONGEST_MS), 3_000),
  openFiles: optional(wholeNumber(4, 100_000), 256),
};

const syncInterval: OptionReader<number | null> = (value = 'commit', refuse) => {
  if (value === 'commit') return null;
  if (typeof value !== 'object') return refuse('must be commit or an object with intervalMs');
  return readOptions('fs-store.durability', value, { intervalMs: interval }).intervalMs;
};

/** @throws INVALID_REQUEST an option that is not what it should be */
export const settingsOf = (options: FsStoreOptions, disk: Disk = nodeDisk): Settings => {
  const { dir, durability, ...bounds } = readOptions('fs-store', options, {
    dir: text,
    durability: syncInterval,
    ...BOUNDS,
  });
  return { disk, layout: new Layout(resolve(dir)), syncIntervalMs: durability, ...bounds };
};
