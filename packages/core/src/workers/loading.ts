import { RuntimeError } from '../contracts/runtime-error.ts';
import type { RuntimeStore, Snapshot, StoredLog } from '../contracts/store.ts';
import { restingIn, stateIn } from '../domain/snapshot.ts';
import { type Draft, draftOf, emptyState, type WorkerState } from '../domain/state.ts';
import { baseIn, snapshotIn } from '../domain/stored-base.ts';
import { EMPTY_POSITION } from '../log/cursor.ts';
import { fold } from './folding.ts';
import { unusedIn } from './unused.ts';
import { Worker } from './worker.ts';

const nextMacrotask = (): Promise<void> => new Promise((done) => setImmediate(done));

/** Small, because many Workers are loaded at the same time. */
const READ = { count: 1_000, bytes: 262_144, direction: 'forward' } as const;

/** Returns the state from which the lines of a log are folded: that of its base, or none. */
export const beginningOf = (
  { workerId, log }: Pick<StoredLog, 'workerId' | 'log'>,
  base: Snapshot | null,
): WorkerState => {
  if (base === null) return emptyState(workerId, log);
  const state = stateIn(workerId, log, snapshotIn(base));
  if (state.head.seq === base.head.seq) return state;
  throw new RuntimeError(
    'STORE_VERSION',
    'The state that stands for the history of a Worker cannot be read',
    {
      details: { workerId },
    },
  );
};

const foldWorker = async (stored: StoredLog, store: RuntimeStore): Promise<Worker> => {
  const { base = null } = stored;
  let { isDamaged } = stored;
  const unapplied = (): void => {
    isDamaged = true;
  };
  const least = base?.head.seq ?? 0;
  const draft: Draft = stateIn(stored.workerId, stored.log, stored.snapshot);
  if (draft.head.seq > stored.head.seq || draft.head.seq < least)
    Object.assign(draft, beginningOf(stored, base));
  if (stored.tail.length > 0 && draft.head.seq === (stored.snapshot?.head.seq ?? least)) {
    const first = { seq: draft.head.seq + 1, offset: draft.head.end };
    draft.head = fold(draft, stored.tail, first, unapplied);
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
    draft.head = fold(draft, slice.lines, slice.first, unapplied);
  }
  if (isDamaged && draft.phase !== 'deleted') {
    draft.phase = 'alive';
    draft.run = null;
    draft.requests = [];
    if (draft.status !== 'stopped') draft.status = 'idle';
  }
  return new Worker(draft, null, isDamaged, base && baseIn(base));
};

/**
 * Loads a Worker from its last snapshot and the events after it. Costs the number of events after the snapshot; the
 * snapshot of a resting Worker, and the lines of one that was never used, are not even parsed. A damaged log yields the state of its readable events, without an
 * active run.
 */
export const loadWorker = (stored: StoredLog, store: RuntimeStore): Worker | Promise<Worker> => {
  const resting = restingIn(stored) ?? unusedIn(stored);
  if (!resting) return foldWorker(stored, store);
  const { base } = stored;
  if (!base) return new Worker(resting, null);
  // the state that the base holds is not needed, and may be large
  const { log, workerId, head, snapshot, tail, isDamaged } = stored;
  const withoutBase = { log, workerId, head, snapshot, tail, isDamaged };
  return new Worker({ ...resting, stored: withoutBase }, null, false, baseIn(base));
};

/**
 * Returns the state of a Worker after a line, folded from its base. Costs the lines that are read. @throws WORKER_DAMAGED a line is missing
 */
export const stateAfter = async (
  worker: Pick<Worker, 'workerId' | 'log'>,
  seq: number,
  store: RuntimeStore,
): Promise<WorkerState> => {
  const { workerId, log } = worker;
  const draft = draftOf(beginningOf(worker, await store.base(log)));
  while (draft.head.seq < seq) {
    const limits = { ...READ, count: Math.min(READ.count, seq - draft.head.seq) };
    const slice = await store.read(log, { seq: draft.head.seq + 1, offset: draft.head.end }, limits);
    if (slice.count === 0 || slice.gap !== null)
      throw new RuntimeError('WORKER_DAMAGED', undefined, { details: { workerId } });
    draft.head = fold(draft, slice.lines, slice.first);
    await nextMacrotask();
  }
  return draft;
};
