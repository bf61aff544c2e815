import { resolve } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';
import type { Disk } from './disk.ts';
import { Layout } from './layout.ts';
import { nodeDisk } from './node-disk.ts';

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
export interface Settings {
  readonly disk: Disk;
  readonly layout: Layout;
  readonly syncIntervalMs: number | null;
  readonly segmentBytes: number;
  readonly checkpointBytes: number;
  readonly queueBytes: number;
  readonly behindBytes: number;
  readonly closingMs: number;
  readonly openFiles: number;
}

const MEBIBYTE = 1_048_576;
const LONGEST_INTERVAL_MS = 3_600_000;

const whole = (name: string, value: number, least: number, most: number): number => {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw new RuntimeError('INVALID_REQUEST', `${name} must be a whole number from ${least} to ${most}`);
};

/** @throws INVALID_REQUEST an option that is not what it should be */
export const settingsOf = (options: FsStoreOptions, disk: Disk = nodeDisk): Settings => {
  const { dir, durability = 'commit' } = options;
  if (typeof dir !== 'string' || dir === '' || dir.includes('\0')) {
    throw new RuntimeError('INVALID_REQUEST', 'dir must be the path of a directory');
  }
  return {
    disk,
    layout: new Layout(resolve(dir)),
    syncIntervalMs:
      durability === 'commit' ? null : whole('intervalMs', durability.intervalMs, 1, LONGEST_INTERVAL_MS),
    segmentBytes: whole('segmentBytes', options.segmentBytes ?? 64 * MEBIBYTE, 4_096, 1_024 * MEBIBYTE),
    checkpointBytes: whole(
      'checkpointBytes',
      options.checkpointBytes ?? 64 * MEBIBYTE,
      4_096,
      4_096 * MEBIBYTE,
    ),
    queueBytes: whole('queueBytes', options.queueBytes ?? 64 * MEBIBYTE, 4_096, 1_024 * MEBIBYTE),
    behindBytes: whole('behindBytes', options.behindBytes ?? 64 * MEBIBYTE, 4_096, 1_024 * MEBIBYTE),
    closingMs: whole('closingMs', options.closingMs ?? 3_000, 0, 3_600_000),
    openFiles: whole('openFiles', options.openFiles ?? 256, 4, 100_000),
  };
};
