import type { Snapshot, StoredLog } from '../contracts/store.ts';
import { emptyState, type WorkerState } from './state.ts';

/**
 * The version of the fold. A snapshot of another version is not used; the state is folded from the whole log instead.
 */
const STATE_VERSION = 1;

const EMPTY: Readonly<Record<string, unknown>> = { ...emptyState('', '') };

const isEmpty = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0;

/** The status of a Worker that needs no work at a start. */
type Rest = 'idle' | 'stopped';

/** Returns the status of a Worker that a start has nothing to do for, or null. */
const restOf = ({ phase, status, run, queue, creationKey, claims }: WorkerState): Rest | null => {
  if (phase !== 'alive' || run !== null || queue.length > 0 || creationKey !== null) return null;
  if (status === 'stopped') return status;
  return status === 'idle' && claims.every(({ mode }) => mode === 'read') ? status : null;
};

const beginning = (rest: Rest): string => `{"version":${STATE_VERSION},"rest":"${rest}",`;
const IDLE = beginning('idle');
const STOPPED = beginning('stopped');

const restIn = (text: string): Rest | null => {
  if (text.startsWith(IDLE)) return 'idle';
  return text.startsWith(STOPPED) ? 'stopped' : null;
};

/**
 * Serializes the state of a Worker. Fields with their default value are omitted, because all snapshots are read at
 * startup and most Workers are idle.
 */
export const snapshotOf = (state: WorkerState): Snapshot => {
  const { workerId: _id, log: _log, ...rest } = state;
  const changed = Object.entries(rest).filter(
    ([name, value]) => value !== EMPTY[name] && !(isEmpty(value) && isEmpty(EMPTY[name])),
  );
  return {
    head: { seq: state.head.seq, bytes: state.head.end },
    // `restIn` depends on the order of these fields
    text: JSON.stringify({
      version: STATE_VERSION,
      rest: restOf(state) ?? undefined,
      state: Object.fromEntries(changed),
    }),
  };
};

/** Returns the state of a snapshot. Without one, or for another version, returns the state of an empty log. */
export const stateIn = (workerId: string, log: string, snapshot: Snapshot | null): WorkerState => {
  const empty = emptyState(workerId, log);
  if (!snapshot) return empty;
  const { version, state } = JSON.parse(snapshot.text) as {
    readonly version?: unknown;
    readonly state?: Partial<WorkerState>;
  };
  return version === STATE_VERSION && state ? { ...empty, ...state } : empty;
};

/** A state that is parsed from its snapshot on first use, because most Workers are not used after a start. */
export class Resting {
  readonly workerId: string;
  readonly log: string;
  readonly phase = 'alive';
  readonly status: Rest;
  readonly snapshot: Snapshot;

  constructor(workerId: string, log: string, status: Rest, snapshot: Snapshot) {
    this.workerId = workerId;
    this.log = log;
    this.status = status;
    this.snapshot = snapshot;
  }

  read(): WorkerState {
    return stateIn(this.workerId, this.log, this.snapshot);
  }
}

/** Returns null for a log that goes on after its snapshot, or that a start has something to do for. */
export const restingIn = ({ workerId, log, head, snapshot, isDamaged }: StoredLog): Resting | null => {
  if (!snapshot || snapshot.head.seq !== head.seq || isDamaged) return null;
  const status = restIn(snapshot.text);
  return status && new Resting(workerId, log, status, snapshot);
};
