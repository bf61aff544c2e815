import type { Snapshot, StoredLog } from '../contracts/store.ts';
import { type Resting, snapshotOf, stateIn } from '../domain/snapshot.ts';
import { type Draft, emptyState, type WorkerState } from '../domain/state.ts';
import { fold } from './folding.ts';

/*
 * A Worker that was created and not used since has two lines: its creation and the first attachment of its engine. After many were
 * created, a start may find them in the write-ahead log of its store. Folding all of them would take more time than the rest of the
 * start, and most of them are not used before a checkpoint.
 */

const LINES = 2;
/** Parts of these lines. None begins with a quote, because a search for one takes several times as long. */
const CREATED = 'type":"worker.created","data":{';
const ATTACHED = 'type":"execution.attached","data":{';
const NO_CLAIMS = 'claims":[]';
/** Members of a creation with which a start has something to do. */
const KEY = 'key":';
const FORK = 'fork":';

/** Returns the state in the lines of such a Worker. */
const stateOfUnused = ({ workerId, log, tail }: StoredLog): WorkerState => {
  const draft: Draft = { ...emptyState(workerId, log) };
  draft.head = fold(draft, tail, { seq: 1, offset: 0 });
  return draft;
};

/** Returns the state of a resting Worker. */
export const restingState = (stored: StoredLog): WorkerState =>
  stored.snapshot ? stateIn(stored.workerId, stored.log, stored.snapshot) : stateOfUnused(stored);

/** Returns the state of a resting Worker as a store keeps it. */
export const restingSnapshot = (stored: StoredLog): Snapshot =>
  stored.snapshot ?? snapshotOf(stateOfUnused(stored));

/**
 * Returns null for any other log. Looks for names with an unescaped quote, which no value contains. A log that is not recognized, such
 * as one with a label `key`, is only loaded more slowly.
 */
export const unusedIn = (stored: StoredLog): Resting | null => {
  const { head, snapshot, base, tail, isDamaged } = stored;
  if (head.seq !== LINES || tail.length !== head.bytes || snapshot || base || isDamaged) return null;
  const text = Buffer.from(tail.buffer, tail.byteOffset, tail.length).toString('latin1');
  const second = text.indexOf('\n');
  const created = text.indexOf(CREATED);
  const isUnused =
    created > 0 &&
    created < second &&
    text.includes(ATTACHED, second) &&
    text.includes(NO_CLAIMS) &&
    !text.includes(KEY) &&
    !text.includes(FORK);
  return isUnused ? { stored, status: 'idle', chars: tail.length, fileBytes: 0 } : null;
};
