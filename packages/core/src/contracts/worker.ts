import type { Capabilities } from './capabilities.ts';
import type { Claim, ClaimMode } from './claim.ts';
import type { Cursor } from './cursor.ts';
import type { BundleRef, InputRole, RunError, TextPart, WhenInterrupted } from './event.ts';
import type { FileReference } from './file.ts';
import type { JsonObject } from './json.ts';
import type { Overview } from './overview.ts';
import type { PageQuery } from './page.ts';

/**
 * `idle`: takes inputs, no run is active. `running`: a run is active. `waiting`: the active run has open requests.
 * `stopped`: takes no inputs until `resumeWorker`.
 */
export type WorkerStatus = 'idle' | 'running' | 'waiting' | 'stopped';

/**
 * `damaged`: the log cannot be read to its end. It stays readable up to there, and every command that writes
 * to it fails with WORKER_DAMAGED.
 */
export type WorkerHealth = 'ok' | 'damaged';

/** A request to create a Worker. */
export interface CreateWorker {
  /** The name of the engine that executes the Worker's runs. Required unless the profile names one. */
  readonly engine?: string;
  /** Must match `^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`. Generated if absent. */
  readonly workerId?: string;
  readonly displayName?: string | null;
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * The id of an existing Worker. A parent delegates parts of what it claims only to children that its engine creates, and
   * not to a Worker whose creator names it here.
   */
  readonly parent?: string | null;
  /** The config bundle that `profile` is taken from. */
  readonly bundle?: BundleRef | null;
  /** The name of a profile of the bundle. It supplies the engine and defaults for `config`. */
  readonly profile?: string | null;
  /** The configuration of the engine. Private: never shown and never part of an event. */
  readonly config?: JsonObject;
  /** The names of the tools that the Worker may use. No profile and no engine adds to them. */
  readonly tools?: readonly string[];
  /** The resources that the Worker uses. Conflicting write claims refuse the creation. */
  readonly claims?: readonly Claim[];
  /**
   * The fate of a run that was active when the runtime ended or crashed. `stop` (default): it ends as `interrupted`.
   * `continue`: the next start continues it, at most `limits.runAttempts` executions in all; requests that wait for people stay
   * open. Needs an engine whose capabilities have `continues`.
   */
  readonly whenInterrupted?: WhenInterrupted;
  /** The first input, accepted together with the creation: both succeed, or neither. */
  readonly initialInput?: WorkerInput;
}

/** An input of a Worker: what its next run works on. */
export type WorkerInput = (
  | { readonly text: string; readonly role?: InputRole }
  /** A file must have been stored with `putFile`, and its media type must be one that the Worker accepts. */
  | { readonly parts: readonly (TextPart | FileReference)[]; readonly role?: InputRole }
) & {
  /** While a run is active: `reject` (default) refuses the input with WORKER_BUSY, `queue` runs it later, in order. */
  readonly whenBusy?: 'reject' | 'queue';
  /** Free data of the caller. It is kept with the input and passed to the engine. */
  readonly metadata?: JsonObject;
  /** The id that the caller's own system has for this message, at most 256 characters. The transcript shows it. */
  readonly messageId?: string;
};

/** A change of a Worker. Absent fields stay as they are. */
export interface UpdateWorker {
  readonly displayName?: string | null;
  /** Replaces all labels, if present. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly whenInterrupted?: WhenInterrupted;
  /** Replaces the config, if present. It is checked as at a creation, and applies to runs that start later. */
  readonly config?: JsonObject;
  /** Replaces the granted tools, if present. */
  readonly tools?: readonly string[];
}

/** The bytes that a store keeps: those of events, and those of files. */
export interface StoredSize {
  readonly eventBytes: number;
  readonly fileBytes: number;
}

/** The history of a Worker that is in an archive. */
export interface ArchivedHistory {
  /** The number of the first event that is still there. */
  readonly firstSeq: number;
  /** The position before it. */
  readonly cursor: Cursor;
  /** The name of the file that has the events before it. */
  readonly archive: string;
}

/** A request to fork a Worker. */
export interface ForkWorker {
  /** The position at which the history ends, such as `@123` after the event 123. Default: the present end of the log. */
  readonly at?: Cursor;
  /** The id of the new Worker. Generated if absent. */
  readonly workerId?: string;
  /** Default: that of the source. */
  readonly displayName?: string | null;
  /** Default: those of the source. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The resources that the new Worker uses. It gets none of the source. */
  readonly claims?: readonly Claim[];
}

/** The Worker that a Worker was forked from. */
export interface ForkedFrom {
  readonly workerId: string;
  /** The number of the last event that both have. */
  readonly seq: number;
  /** The caller that forked it, or null if the host or the transport does not know it. */
  readonly actor: string | null;
}

/**
 * Something that the work of a Worker waits for. `since`: the time of the event from which on nothing else was recorded, or of what is named here.
 * - `answer`: a person's answer to an open request.
 * - `tools`: the results of tool calls.
 * - `engine`: the next output of the engine, such as the answer of a model or an agent.
 * - `execution`: an engine to be attached. The error is the reason why the last attempt failed, such as a claim, a limit or an engine that is
 *   not there; null before the first attempt.
 * - `run`: queued inputs wait for the end of the active run.
 */
export type WorkerWait =
  | { readonly for: 'answer'; readonly since: string; readonly requestId: string }
  | { readonly for: 'tools'; readonly since: string; readonly calls: readonly string[] }
  | { readonly for: 'engine'; readonly since: string }
  | { readonly for: 'execution'; readonly since: string; readonly error: RunError | null }
  | { readonly for: 'run'; readonly since: string; readonly runId: string; readonly inputs: number };

/** The current state of a Worker. */
export interface WorkerSummary {
  readonly runtimeId: string;
  readonly workerId: string;
  /** A short label for people, derived from the workerId. It is never accepted in a request. */
  readonly displayRef: string;
  readonly displayName: string | null;
  readonly engine: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly parent: string | null;
  readonly status: WorkerStatus;
  readonly health: WorkerHealth;
  readonly execution: {
    /** True if an engine is attached now. */
    readonly connected: boolean;
    /** The number of the current or last execution, 1 for the first. */
    readonly generation: number;
    /** The last failure of an execution or a run. While queued inputs wait for an engine: why none can be attached. */
    readonly lastError: RunError | null;
  };
  /** The active run. A stream opened at `cursor` delivers it from its `run.started` on. */
  readonly run: { readonly runId: string; readonly startedAt: string; readonly cursor: Cursor } | null;
  /** The number of queued inputs. */
  readonly queued: number;
  /** The things that its work waits for. Empty without an active run and queued inputs. */
  readonly waits: readonly WorkerWait[];
  readonly createdAt: string;
  readonly updatedAt: string;
  /** The `seq` of the last event that this state includes, and its position. */
  readonly lastSeq: number;
  readonly asOf: Cursor;
  /** The bytes of its events and files, before any compression by the store. */
  readonly stored: StoredSize;
  /** The events that are in an archive instead; null if all are there. A reader of them gets CURSOR_EXPIRED, with the same members. */
  readonly archived: ArchivedHistory | null;
}

/** The current state of a Worker, with what was fixed at its creation. */
export interface WorkerDetail extends WorkerSummary {
  readonly capabilities: Capabilities;
  /** The tools that were granted. */
  readonly tools: readonly string[];
  readonly claims: readonly { readonly name: string; readonly mode: ClaimMode }[];
  readonly profile: string | null;
  readonly bundle: BundleRef | null;
  readonly whenInterrupted: WhenInterrupted;
  /** A digest of the resolved config, to compare Workers without showing the config. */
  readonly configDigest: string;
  /** Null for a Worker that is no fork. */
  readonly forkedFrom: ForkedFrom | null;
}

export interface ListWorkers extends PageQuery {
  readonly status?: WorkerStatus;
  /** Selects Workers that have all of these labels with these values. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly parent?: string;
  /** Adds the counts and usage of each Worker. The page then also ends at the limit `pageBytes`. */
  readonly include?: 'overview';
}

/** A Worker in a list. */
export interface ListedWorker extends WorkerSummary {
  /** Only if the query includes it. */
  readonly overview?: Overview;
}
