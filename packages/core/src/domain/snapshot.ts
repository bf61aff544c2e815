import type { Snapshot, StoredLog } from '../contracts/store.ts';
import { emptyState, type WorkerState } from './state.ts';

/** Of the fold: a snapshot of another version is folded anew from the log. */
const STATE_VERSION = 1;

const EMPTY: Readonly<Record<string, unknown>> = { ...emptyState('', '') };

const isEmpty = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0;

type Rest = 'idle' | 'stopped';

/** How a Worker rests: a start has nothing to take up, take back or look up for it. Null for one that does not. */
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
 * What a snapshot says of a Worker. What is as in an empty log is left out: there are many Workers, all of their
 * snapshots are read at a start, and most of a Worker that nothing happens to is empty.
 */
export const snapshotOf = (state: WorkerState): Snapshot => {
  const { workerId: _id, log: _log, ...rest } = state;
  const told = Object.entries(rest).filter(
    ([name, value]) => value !== EMPTY[name] && !(isEmpty(value) && isEmpty(EMPTY[name])),
  );
  return {
    head: { seq: state.head.seq, bytes: state.head.end },
    // `restIn` reads it in this order
    text: JSON.stringify({
      version: STATE_VERSION,
      rest: restOf(state) ?? undefined,
      state: Object.fromEntries(told),
    }),
  };
};

/** The state that a snapshot tells; that of an empty log where there is none, or one of another version. */
export const stateIn = (workerId: string, log: string, snapshot: Snapshot | null): WorkerState => {
  const empty = emptyState(workerId, log);
  if (!snapshot) return empty;
  const { version, state } = JSON.parse(snapshot.text) as {
    readonly version?: unknown;
    readonly state?: Partial<WorkerState>;
  };
  return version === STATE_VERSION && state ? { ...empty, ...state } : empty;
};

/** A state that is left in its snapshot until something needs it: a runtime opens with many that nothing does. */
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

/** Null for a log whose end the snapshot does not tell, or that a start has something to do for. */
export const restingIn = ({ workerId, log, head, snapshot, isDamaged }: StoredLog): Resting | null => {
  if (!snapshot || snapshot.head.seq !== head.seq || isDamaged) return null;
  const status = restIn(snapshot.text);
  return status && new Resting(workerId, log, status, snapshot);
};
