import { join } from 'node:path';
import type { Snapshot } from '@worker-runtime/core/plugin-kit';
import type { Disk } from '../disk/disk.ts';
import { directoryNameOf, type Layout } from '../layout/layout.ts';
import { sealLine, valueOfLine } from '../layout/sealed-line.ts';

/** The content of a file of a base. */
interface BaseDocument {
  readonly log: string;
  readonly worker: string;
  readonly seq: number;
  readonly bytes: number;
  readonly text: string;
}

interface NamedLog {
  readonly log: string;
  readonly workerId: string;
}

/** Returns the path of the base of a log, whether it has one or not. */
export const basePath = (layout: Layout, { log, workerId }: NamedLog): string =>
  join(layout.bases, `${directoryNameOf(workerId, log)}.json`);

/** Writes the base of a log in place of an earlier one, atomically. On return it is durable. */
export const writeBase = async (
  disk: Disk,
  layout: Layout,
  of: NamedLog,
  { head: { seq, bytes }, text }: Snapshot,
): Promise<void> => {
  const document: BaseDocument = { log: of.log, worker: of.workerId, seq, bytes, text };
  await disk.replace(basePath(layout, of), [Buffer.from(sealLine(JSON.stringify(document)))]);
};

/** The bases of a store, by the ids of their logs, and the files in their directory that are none. */
export interface FoundBases {
  readonly bases: ReadonlyMap<string, NamedLog & { readonly base: Snapshot }>;
  readonly damaged: readonly string[];
}

const decode = (bytes: Buffer): BaseDocument | undefined =>
  valueOfLine(bytes, 0, bytes.length - 1) as BaseDocument | undefined;

const snapshotIn = ({ seq, bytes, text }: BaseDocument): Snapshot => ({ head: { seq, bytes }, text });

/** Reads the base of a log; undefined if it is damaged. */
export const readBase = async (disk: Disk, layout: Layout, of: NamedLog): Promise<Snapshot | undefined> => {
  const found = decode(await disk.readFile(basePath(layout, of)));
  return found && snapshotIn(found);
};

/** Reads all bases. Costs the number of trimmed logs. */
export const readBases = async (disk: Disk, layout: Layout): Promise<FoundBases> => {
  const bases = new Map<string, NamedLog & { readonly base: Snapshot }>();
  const damaged: string[] = [];
  for (const name of await disk.list(layout.bases)) {
    // the rest of a write that a crash has interrupted
    if (!name.endsWith('.json')) continue;
    const bytes = await disk.readFile(join(layout.bases, name)).catch(() => Buffer.alloc(0));
    const found = decode(bytes);
    if (found) bases.set(found.log, { log: found.log, workerId: found.worker, base: snapshotIn(found) });
    else damaged.push(name);
  }
  return { bases, damaged };
};
