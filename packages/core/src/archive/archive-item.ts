import type { LinePosition, LogHead } from '../contracts/store.ts';

/**
 * The content of an archive: all that the store of a runtime keeps, one Worker, or the first events of a Worker, up to the head of its log
 * item.
 */
export type ArchiveContent = 'runtime' | 'worker' | 'history';

/** The first item. */
export interface ArchiveBeginning {
  readonly kind: 'archive';
  readonly content: ArchiveContent;
  /** The runtime from which the archive was made. */
  readonly runtimeId: string;
  readonly writtenAt: string;
}

/** A log. Its body is the private record. The items up to the next one of another kind belong to it. */
export interface ArchivedLog extends LogHead {
  readonly kind: 'log';
  readonly log: string;
  readonly workerId: string;
}

/** The last item: how many of each kind came before it. */
export interface ArchiveEnd {
  readonly kind: 'end';
  readonly workers: number;
  readonly events: number;
  readonly blobs: number;
  readonly bundles: number;
  readonly pluginStates: number;
}

/** The description of an item. */
export type ArchiveHead =
  | ArchiveBeginning
  | { readonly kind: 'pluginState'; readonly name: string }
  | ArchivedLog
  /** The log begins after this position: the body has the base in place of earlier lines, which are in another archive. */
  | ({ readonly kind: 'base' } & LogHead)
  /** The body has the idempotency keys of the log, as JSON. */
  | { readonly kind: 'keys' }
  /** The body has consecutive lines of the log. */
  | ({ readonly kind: 'lines'; readonly count: number } & LinePosition)
  | { readonly kind: 'blob'; readonly name: string }
  /** The log was removed while it was read: its items do not count. */
  | { readonly kind: 'removed' }
  | { readonly kind: 'bundle'; readonly digest: string }
  | ArchiveEnd;

/** One item of an archive. */
export type ArchiveItem = ArchiveHead & { readonly body: Uint8Array };

export const NO_BODY = new Uint8Array(0);
