import type { LogHead, Snapshot, StoredLog } from '../contracts/store.ts';
import { Resting, snapshotOf } from '../domain/snapshot.ts';
import { type Draft, emptyState } from '../domain/state.ts';
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

/** The snapshot of such a Worker, which is made of its lines at each access. */
class UnusedSnapshot implements Snapshot {
  readonly head: LogHead;
  readonly #workerId: string;
  readonly #log: string;
  readonly #lines: Uint8Array;

  constructor({ head, workerId, log, tail }: StoredLog) {
    this.head = head;
    this.#workerId = workerId;
    this.#log = log;
    this.#lines = tail;
  }

  get text(): string {
    const draft: Draft = { ...emptyState(this.#workerId, this.#log) };
    draft.head = fold(draft, this.#lines, { seq: 1, offset: 0 });
    return snapshotOf(draft).text;
  }
}

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
  return isUnused ? new Resting(stored, 'idle', new UnusedSnapshot(stored), tail.length, 0) : null;
};
