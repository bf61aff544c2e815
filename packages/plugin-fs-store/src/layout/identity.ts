import { type JsonValue, RuntimeError } from '@worker-runtime/core';
import type { Disk } from '../disk/disk.ts';
import { errnoOf } from '../disk/disk-failure.ts';
import { FORMAT_NAME, type Layout, TRIMMED_VERSION } from './layout.ts';

/** The content of `runtime.json`: the runtime that owns the store, the format, and the last configuration. */
interface Identity {
  readonly format: string;
  readonly version: number;
  readonly runtimeId: string;
  readonly configuration: JsonValue;
}

/** The result of reading `runtime.json`. `damaged` means that the file exists and is not a valid identity. */
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
  version: number,
): Promise<void> => {
  const identity: Identity = { format: FORMAT_NAME, version, runtimeId, configuration };
  return disk.replace(layout.identity, [Buffer.from(`${JSON.stringify(identity, null, 2)}\n`)]);
};

/** Refuses a store of a newer format. @throws STORE_VERSION written by a newer release */
export const checkVersion = (version: number): void => {
  if (version <= TRIMMED_VERSION) return;
  throw new RuntimeError(
    'STORE_VERSION',
    `The store has format version ${version}; this release supports up to ${TRIMMED_VERSION}. Use a newer release`,
    { details: { found: version, supported: TRIMMED_VERSION } },
  );
};
