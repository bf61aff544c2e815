import type { RequestOption, TextPart } from '../contracts/event.ts';
import type { JsonObject } from '../contracts/json.ts';
import type { OpenRequest } from '../contracts/open-request.ts';
import { requestOptionOf } from '../contracts/open-request.ts';
import type { Snapshot, StoredLog } from '../contracts/store.ts';
import { sizeOfInput } from './size.ts';
import { type CurrentRun, emptyState, type PendingInput, type WorkerState } from './state.ts';
import { totalBytesOf } from './stored-files.ts';

/**
 * The version of the fold. A snapshot of an unknown version is not used; the state is folded from the whole log instead.
 */
const STATE_VERSION = 2;
/** The version whose snapshots hold the text of inputs. */
const WITH_TEXTS = 1;

const EMPTY: Readonly<Record<string, unknown>> = { ...emptyState('', '') };

const isEmpty = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0;

/** The status of a Worker that needs no work at a start. */
export type Rest = 'idle' | 'stopped';

/** Returns the status of a Worker that a start has nothing to do for, or null. */
const restOf = ({ phase, status, run, queue, creationKey, claims }: WorkerState): Rest | null => {
  if (phase !== 'alive' || run !== null || queue.length > 0 || creationKey !== null) return null;
  if (status === 'stopped') return status;
  return status === 'idle' && claims.every(({ mode }) => mode === 'read') ? status : null;
};

/** In the text of every state with files. A search for a text that begins with a quote takes several times as long. */
const FILES = 'files":{';

/** The beginnings of most snapshots: those of Workers at rest, without files. They are recognized without the cost of a match. */
const USUAL = [
  ['idle', `{"version":${STATE_VERSION},"rest":"idle","fileBytes":0,`],
  ['stopped', `{"version":${STATE_VERSION},"rest":"stopped","fileBytes":0,`],
] as const;
/**
 * The beginning of the snapshot of a Worker at rest. Those of earlier versions do not have the size of the files, or only one that is not 0.
 */
const BEGINNING = /^\{"version":[12],"rest":"(idle|stopped)",(?:"fileBytes":(\d{1,15}),)?/;

/**
 * Serializes the state of a Worker. Fields with their default value are omitted, because all snapshots are read at
 * startup and most Workers are idle.
 */
export const snapshotOf = (state: WorkerState): Snapshot => {
  const { workerId: _id, log: _log, ...own } = state;
  const changed = Object.entries(own).filter(
    ([name, value]) => value !== EMPTY[name] && !(isEmpty(value) && isEmpty(EMPTY[name])),
  );
  const rest = restOf(state) ?? undefined;
  return {
    head: { seq: state.head.seq, bytes: state.head.end },
    // `BEGINNING` depends on the order of these fields
    text: JSON.stringify({
      version: STATE_VERSION,
      rest,
      fileBytes: rest && totalBytesOf(state.files),
      state: Object.fromEntries(changed),
    }),
  };
};

/** An input as a snapshot of version `WITH_TEXTS` holds it. */
interface InputWithText {
  readonly inputId: string;
  readonly runId: string;
  readonly parts: readonly TextPart[];
  readonly metadata?: JsonObject;
}

const withoutText = (input: InputWithText): PendingInput => {
  const { inputId, runId } = input;
  return { inputId, runId, seq: 0, offset: 0, bytes: sizeOfInput(input) };
};

interface StateWithTexts extends Partial<Omit<WorkerState, 'queue' | 'run'>> {
  readonly queue?: readonly InputWithText[];
  readonly run?: Omit<CurrentRun, 'input'> & { readonly input: InputWithText | null };
}

/** Releases the text of the inputs in a state, which a run finds in the log. */
const withoutTexts = ({ queue, run, ...rest }: StateWithTexts): Partial<WorkerState> => ({
  ...rest,
  ...(queue && { queue: queue.map(withoutText) }),
  ...(run && { run: { ...run, input: run.input && withoutText(run.input) } }),
});

type StoredState =
  | { readonly version: typeof STATE_VERSION; readonly state?: StateWithPlainOptions }
  | { readonly version: typeof WITH_TEXTS; readonly state?: StateWithTexts }
  | { readonly version?: undefined; readonly state?: undefined };

/** Returns the state of a snapshot. Without one, or for an unknown version, returns the state of an empty log. */
export const stateIn = (workerId: string, log: string, snapshot: Snapshot | null): WorkerState => {
  const empty = emptyState(workerId, log);
  if (!snapshot) return empty;
  const stored = JSON.parse(snapshot.text) as StoredState;
  if (stored.version === STATE_VERSION) return { ...empty, ...withOptions(stored.state) };
  if (stored.version === WITH_TEXTS && stored.state)
    return { ...empty, ...withOptions(withoutTexts(stored.state)) };
  return empty;
};

interface StateWithPlainOptions extends Partial<Omit<WorkerState, 'requests'>> {
  readonly requests?: readonly (Omit<OpenRequest, 'options' | 'schema'> & {
    readonly options: readonly (RequestOption | string)[];
    readonly schema?: OpenRequest['schema'];
  })[];
}

/** Brings the open requests of a state of an earlier version to their present form: their options were strings. */
const withOptions = (state: StateWithPlainOptions = {}): Partial<WorkerState> => {
  const { requests, ...rest } = state;
  if (!requests) return rest;
  const open = requests.map(({ options, schema = null, ...request }) => ({
    ...request,
    options: options.map(requestOptionOf),
    schema,
  }));
  return { ...rest, requests: open };
};

/** The log of a Worker that a start has nothing to do for. Its state is read on first use, because most Workers are not used after a start. */
export interface Resting {
  readonly stored: StoredLog;
  readonly status: Rest;
  /** The length of the text that has the state, in UTF-16 units. */
  readonly chars: number;
  readonly fileBytes: number;
}

/** Returns null for a log that goes on after its snapshot, or that a start has something to do for. */
export const restingIn = (stored: StoredLog): Resting | null => {
  const { snapshot } = stored;
  if (!snapshot || snapshot.head.seq !== stored.head.seq || stored.isDamaged) return null;
  const { text } = snapshot;
  for (const [status, beginning] of USUAL)
    if (text.startsWith(beginning)) return { stored, status, chars: text.length, fileBytes: 0 };
  const [, status, fileBytes] = BEGINNING.exec(text) ?? [];
  if (status === undefined) return null;
  const isKnown = fileBytes !== undefined || !text.includes(FILES);
  return {
    stored,
    status: status as Rest,
    chars: text.length,
    fileBytes: isKnown ? Number(fileBytes ?? 0) : totalBytesOf(stateIn('', '', snapshot).files),
  };
};
