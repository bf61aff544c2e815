import { decodeEvent, type WorkerEvent } from '../contracts/event.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { RuntimeStore, StoredLog } from '../contracts/store.ts';
import { restingIn, stateIn } from '../domain/snapshot.ts';
import { apply, type Draft, emptyState } from '../domain/state.ts';
import { EMPTY_POSITION, type LogPosition } from '../log/cursor.ts';
import { linesOf, positionAfter, textOf } from '../log/lines.ts';
import { Worker } from './worker.ts';

/** Small, because many Workers are loaded at the same time. */
const READ = { count: 1_000, bytes: 262_144, direction: 'forward' } as const;

/** Folds lines into the draft. Skips lines that the draft already contains, and lines that cannot be parsed. */
const fold = (
  draft: Draft,
  lines: Uint8Array,
  first: { readonly seq: number; readonly offset: number },
): LogPosition => {
  let at: LogPosition = draft.head;
  for (const line of linesOf({ lines, first })) {
    if (line.seq <= draft.head.seq) continue;
    let event: WorkerEvent | null = null;
    try {
      event = decodeEvent(textOf(line));
    } catch {
      // the store reports damaged logs
    }
    if (event) apply(draft, event, at);
    at = positionAfter(line);
  }
  return at;
};

const foldWorker = async (stored: StoredLog, store: RuntimeStore): Promise<Worker> => {
  const draft: Draft = stateIn(stored.workerId, stored.log, stored.snapshot);
  if (draft.head.seq > stored.head.seq) Object.assign(draft, emptyState(stored.workerId, stored.log));
  if (stored.tail.length > 0 && draft.head.seq === (stored.snapshot?.head.seq ?? 0)) {
    draft.head = fold(draft, stored.tail, { seq: draft.head.seq + 1, offset: draft.head.end });
  }
  while (draft.head.seq < stored.head.seq) {
    const slice = await store.read(stored.log, { seq: draft.head.seq + 1, offset: draft.head.end }, READ);
    if (slice.count === 0) {
      if (!stored.isDamaged)
        throw new RuntimeError('STORE_CORRUPT', 'A log ends before its head', {
          details: { workerId: stored.workerId },
        });
      draft.head = {
        ...EMPTY_POSITION,
        seq: stored.head.seq,
        offset: stored.head.bytes,
        end: stored.head.bytes,
      };
      break;
    }
    draft.head = fold(draft, slice.lines, slice.first);
  }
  if (stored.isDamaged && draft.phase !== 'deleted') {
    draft.phase = 'alive';
    draft.run = null;
    draft.requests = [];
    if (draft.status !== 'stopped') draft.status = 'idle';
  }
  return new Worker(draft, null, stored.isDamaged);
};

/**
 * Loads a Worker from its last snapshot and the events after it. Costs the number of events after the snapshot; the
 * snapshot of a resting Worker is not even parsed. A damaged log yields the state of its readable events, without an
 * active run.
 */
export const loadWorker = (stored: StoredLog, store: RuntimeStore): Worker | Promise<Worker> => {
  const resting = restingIn(stored);
  return resting ? new Worker(resting, null) : foldWorker(stored, store);
};
