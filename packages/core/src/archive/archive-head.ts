import { WORKER_ID_PATTERN } from '../id.ts';
import type { ArchiveHead } from './archive-item.ts';
import { IMPORT_STATE } from './import-state.ts';

type Check = (value: unknown) => boolean;

const count: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const matching =
  (pattern: RegExp): Check =>
  (value) =>
    typeof value === 'string' && pattern.test(value);
const id = matching(/^[\x21-\x7e]{1,128}$/);
const name = matching(/^[^\p{Cc}]{1,256}$/u);

const LOG_HEAD = { seq: count, bytes: count };

/** The members of the items of each kind, besides the kind. */
const MEMBERS: {
  readonly [K in ArchiveHead['kind']]: {
    readonly [M in Exclude<keyof Extract<ArchiveHead, { readonly kind: K }>, 'kind'>]: Check;
  };
} = {
  archive: { content: matching(/^(runtime|worker|history)$/), runtimeId: id, writtenAt: name },
  // an archive must not tell whether its own import has ended
  pluginState: { name: (value) => name(value) && value !== IMPORT_STATE },
  log: { log: id, workerId: matching(WORKER_ID_PATTERN), ...LOG_HEAD },
  base: LOG_HEAD,
  keys: {},
  lines: { seq: count, offset: count, count: (value) => count(value) && value !== 0 },
  blob: { name: id },
  removed: {},
  bundle: { digest: id },
  end: { workers: count, events: count, blobs: count, bundles: count, pluginStates: count },
};

/** True for the description of an item: a kind that is known, with all of its members. */
export const isArchiveHead = (head: Readonly<Record<string, unknown>>): boolean => {
  const { kind } = head;
  if (typeof kind !== 'string' || !Object.hasOwn(MEMBERS, kind)) return false;
  return Object.entries<Check>(MEMBERS[kind as ArchiveHead['kind']]).every(([member, isValid]) =>
    isValid(head[member]),
  );
};
