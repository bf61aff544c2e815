import type { JsonValue } from '../json.ts';
import { EMPTY_POSITION, type LogPosition } from '../observation/cursor.ts';
import { linesOf, positionAfter, textOf } from '../observation/lines.ts';
import { RuntimeError } from '../runtime-error.ts';
import type { RuntimeStore, Snapshot, StoredLog } from '../store.ts';
import { decodeEvent, type WorkerEvent } from './event.ts';
import { apply, type Draft, emptyState, type WorkerState } from './state.ts';
import { Worker } from './worker.ts';

/** Of the fold: a snapshot of another version is folded anew from the log. */
const STATE_VERSION = 1;

const READ = { count: 1_000, bytes: 1_048_576, direction: 'forward' } as const;

const EMPTY: Readonly<Record<string, unknown>> = { ...emptyState('', '') };

const isEmpty = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0;

/**
 * A snapshot of a Worker's state. What is as in an empty log is left out: there are many Workers, all of their
 * snapshots are read at a start, and most of a Worker that nothing happens to is empty.
 */
export const snapshotOf = ({ state }: Worker): Snapshot => {
  const { workerId: _id, log: _log, ...rest } = state;
  const told = Object.entries(rest).filter(
    ([name, value]) => value !== EMPTY[name] && !(isEmpty(value) && isEmpty(EMPTY[name])),
  );
  return {
    head: { seq: state.head.seq, bytes: state.head.end },
    value: { version: STATE_VERSION, state: Object.fromEntries(told) as JsonValue },
  };
};

const stateIn = ({ workerId, log, snapshot }: StoredLog): WorkerState => {
  const empty = emptyState(workerId, log);
  const value = snapshot?.value as
    | { readonly version?: unknown; readonly state?: Partial<WorkerState> }
    | undefined;
  return value?.version === STATE_VERSION && value.state ? { ...empty, ...value.state } : empty;
};

/** Folds lines that follow the draft; those that it has already, or that cannot be read, are passed over. */
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
      // the store says which logs are damaged, and where
    }
    if (event) apply(draft, event);
    at = positionAfter(line);
  }
  return at;
};

/**
 * A Worker as its log has it: the last snapshot, and the events after it. Costs the events after the snapshot. A
 * damaged log gives what can be read of it, and no run is on in it.
 */
export const loadWorker = async (stored: StoredLog, store: RuntimeStore): Promise<Worker> => {
  const draft: Draft = { ...stateIn(stored) };
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
