import { type JsonValue, RuntimeError } from '@worker-runtime/core';
import type { Disk } from '../disk/disk.ts';
import { errnoOf } from '../disk/disk-failure.ts';
import { FORMAT_NAME, FORMAT_VERSION, type Layout } from './layout.ts';

/** What `runtime.json` holds: whose store this is, in which format, and how it was configured last. */
export interface Identity {
  readonly format: string;
  readonly version: number;
  readonly runtimeId: string;
  readonly configuration: JsonValue;
}

/** Missing: there is none. Damaged: there is something that is none. */
export type FoundIdentity = Identity | 'missing' | 'damaged';

export const readIdentity = async (disk: Disk, layout: Layout): Promise<FoundIdentity> => {
  try {
    const found = JSON.parse((await disk.readFile(layout.identity)).toString()) as Partial<Identity> | null;
    const isWhole = typeof found?.runtimeId === 'string' && typeof found.version === 'number';
    return isWhole && found.format === FORMAT_NAME ? (found as Identity) : 'damaged';
  } catch (error) {
    return errnoOf(error) === 'ENOENT' ? 'missing' : 'damaged';
  }
};

export const writeIdentity = (
  disk: Disk,
  layout: Layout,
  runtimeId: string,
  configuration: JsonValue,
): Promise<void> => {
  const identity: Identity = { format: FORMAT_NAME, version: FORMAT_VERSION, runtimeId, configuration };
  return disk.replace(layout.identity, [Buffer.from(`${JSON.stringify(identity, null, 2)}\n`)]);
};

/** @throws STORE_VERSION written by a newer release */
export const checkVersion = (version: number): void => {
  if (version <= FORMAT_VERSION) return;
  throw new RuntimeError(
    'STORE_VERSION',
    `The store has format version ${version}, and this release knows ${FORMAT_VERSION}: use a newer release`,
    { details: { found: version, supported: FORMAT_VERSION } },
  );
};
