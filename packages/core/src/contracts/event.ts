import type { ClaimMode } from './claim.ts';
import type { FilePart } from './file.ts';
import type { JsonObject, JsonValue } from './json.ts';
import type { ErrorCode } from './runtime-error.ts';

export interface TextPart {
  readonly type: 'text';
  readonly text: string;
}

/** A part of an input. */
export type InputPart = TextPart | FilePart;

/**
 * Data that only the engine understands and needs back unchanged, such as a provider's signature of a part. The log has it,
 * and transcripts do not show it.
 */
interface WithOpaque {
  readonly opaque?: JsonValue;
}

/** A part of a message. A live view finds the streamed text that the part replaces by its `id`. */
export type MessagePart =
  | ({ readonly id: string; readonly type: 'text'; readonly text: string } & WithOpaque)
  | ({ readonly id: string; readonly type: 'reasoning'; readonly text: string } & WithOpaque)
  | ({ readonly id: string } & FilePart & WithOpaque)
  /** A file in a log of an earlier version: engines gave its URL. */
  | {
      readonly id: string;
      readonly type: 'file';
      readonly mediaType: string;
      readonly url: string;
      readonly name?: string;
    };

export type InputRole = 'user' | 'system';
/** The end of a run. `interrupted`: the runtime stopped or crashed during the run. */
export type RunOutcome = 'completed' | 'failed' | 'cancelled' | 'interrupted';
/** `graceful`: the execution ended in time. `detached`: it did not, and was detached at the deadline. */
export type StopResult = 'graceful' | 'detached';
export type DetachCause = 'stop' | 'restart' | 'crash' | 'deadline';
export type Severity = 'info' | 'warning' | 'error';
/** The fate of a run that was active when the runtime ended or crashed; see `CreateWorker`. */
export type WhenInterrupted = 'stop' | 'continue';
export type RequestKind = 'permission' | 'question';
/** The meaning of an option, as the Agent Client Protocol names it: consent or refusal, for this time or from now on. */
export type OptionKind = 'allow-once' | 'allow-always' | 'reject-once' | 'reject-always';
/** The kind of work that a tool does, as the Agent Client Protocol names it. */
export type ToolKind =
  | 'read'
  | 'edit'
  | 'delete'
  | 'move'
  | 'search'
  | 'execute'
  | 'think'
  | 'fetch'
  | 'other';
export type ResolvedBy = 'client' | 'timeout' | 'cancel' | 'restart';

/** A reference to a config bundle. The digest names its content. */
export interface BundleRef {
  readonly id: string;
  readonly digest: string;
}

/** An answer that a request allows. */
export interface RequestOption {
  /** The decision of an answer that takes this option. Unique within the request. */
  readonly id: string;
  /** The text for people. */
  readonly label: string;
  /** Absent if the engine does not say what the option means. */
  readonly kind?: OptionKind;
}

/** The description of a tool call for people and clients, besides its name and input. */
export interface ToolCallDetails {
  /** A sentence for people, such as `Read notes.txt`. */
  readonly title?: string;
  readonly kind?: ToolKind;
  /** The files that the call reads or changes. */
  readonly locations?: readonly { readonly path: string; readonly line?: number }[];
}

/** An idempotency key, as recorded in the event that it caused. */
export interface EventKey {
  readonly value: string;
  /** The digest of the request, to recognize a key that is used for another request. */
  readonly digest: string;
}

/** The failure of a run. The message is public. */
export interface RunError {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Numbers of tokens that were used. */
export interface UsageData {
  readonly model?: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens?: number;
  readonly cacheWriteTokens?: number;
  readonly reasoningTokens?: number;
}

/**
 * The caller whose command made an event, by the name under which the host or the transport knows it, such as the name of an access
 * token. Absent if the caller is not known, and for what no caller commanded.
 */
interface WithActor {
  readonly actor?: string;
}

/** The Worker whose history a fork begins with. */
export interface ForkOrigin {
  readonly worker: string;
  /** The id of its log. */
  readonly log: string;
  /** The number of the last event that was copied. */
  readonly seq: number;
}

/** The events of a Worker's log: the shape of `data` for each event type. */
export interface EventData {
  'worker.created': WithActor & {
    readonly engine: string;
    readonly displayName: string | null;
    readonly labels: Readonly<Record<string, string>>;
    readonly parent: string | null;
    /**
     * The log of the parent whose engine created the Worker. That parent delegates its claims to the Worker. Null if a
     * caller named the parent, which delegates nothing. Absent without a parent, and in logs of earlier versions.
     */
    readonly delegatedBy?: string | null;
    readonly profile: string | null;
    readonly bundle: BundleRef | null;
    readonly configDigest: string;
    readonly tools: readonly string[];
    readonly claims: readonly { readonly name: string; readonly mode: ClaimMode }[];
    /** Absent for `stop`. */
    readonly whenInterrupted?: WhenInterrupted;
    readonly key?: EventKey;
    /** In the log of a fork: the origin of the events up to this number, of which this one is the first. */
    readonly fork?: ForkOrigin;
  };
  /**
   * The end of the events that a fork has from another Worker, and the beginning of its own. The fork has these properties from here on,
   * and the log before it is its history. A copy of this event that stands in such a history has no effect.
   */
  'worker.forked': WithActor & {
    readonly displayName: string | null;
    readonly labels: Readonly<Record<string, string>>;
    readonly configDigest: string;
    readonly tools: readonly string[];
    readonly claims: readonly { readonly name: string; readonly mode: ClaimMode }[];
    readonly whenInterrupted: WhenInterrupted;
    readonly key?: EventKey;
  };
  'worker.updated': WithActor & {
    readonly displayName?: string | null;
    readonly labels?: Readonly<Record<string, string>>;
    readonly whenInterrupted?: WhenInterrupted;
    /** The digest of another config. It applies to the runs that start after this event. */
    readonly configDigest?: string;
    readonly tools?: readonly string[];
  };
  'worker.stopped': WithActor & { readonly outcome: StopResult; readonly reason?: string };
  'worker.resumed': WithActor & { readonly reason?: string };
  /** The last event of a log: the Worker was deleted, or its creation failed. */
  'worker.deleted': WithActor & { readonly cause: 'delete' | 'creation' };
  'execution.attached': { readonly generation: number; readonly engine: string };
  'execution.detached': {
    readonly generation: number;
    readonly cause: DetachCause;
    readonly code?: ErrorCode;
  };
  /**
   * The engine no longer needs the conversation before the input of this run, for example because it has summarized it. The
   * events and the transcript stay as they are.
   */
  'history.started': Readonly<Record<string, never>>;
  /** A value of an execution for later ones. */
  'execution.recorded': { readonly value: JsonValue };
  /** The bytes of a file are in the store. Later events refer to them by their digest. */
  'file.stored': Pick<FilePart, 'digest' | 'mediaType' | 'sizeBytes'>;
  'input.accepted': WithActor & {
    readonly input: string;
    readonly role: InputRole;
    readonly parts: readonly InputPart[];
    readonly queued: boolean;
    readonly key?: EventKey;
    readonly metadata?: JsonObject;
    /** The id that the caller's own system has for this message. */
    readonly messageId?: string;
    /** The W3C trace context of the request that brought the input. */
    readonly traceparent?: string;
  };
  'run.started': {
    readonly input?: string;
    readonly origin: 'input' | 'engine';
    readonly generation: number;
  };
  /**
   * Another execution continues a run that was interrupted. `attempt` is 2 for the first continuation. Requests that were open
   * stay open.
   */
  'run.continued': { readonly generation: number; readonly attempt: number };
  /** `actor`: who cancelled the run. */
  'run.finished': WithActor & {
    readonly outcome: RunOutcome;
    readonly error?: RunError;
    readonly reason?: string;
  };
  'step.started': { readonly step: number; readonly model?: string };
  'step.finished': { readonly step: number; readonly finish: string };
  'message.completed': {
    readonly message: string;
    readonly role: 'assistant';
    readonly parts: readonly MessagePart[];
    readonly partial?: true;
    /** The step of the run that the message belongs to. Absent before the first step. */
    readonly step?: number;
  };
  'tool.called': ToolCallDetails & {
    readonly call: string;
    readonly name: string;
    readonly input: JsonValue;
    readonly step?: number;
  } & WithOpaque;
  'tool.finished': {
    readonly call: string;
    readonly output?: JsonValue;
    readonly error?: string;
    /** The files of the result, such as a screenshot. */
    readonly files?: readonly FilePart[];
    readonly truncated?: true;
    /** Set if the call was not made, because permission was refused or not given. */
    readonly denied?: true;
  };
  'request.opened': {
    readonly request: string;
    readonly kind: RequestKind;
    readonly prompt: string;
    readonly call?: string;
    /** In logs of earlier versions an option is a string: its id, which is its label too. */
    readonly options: readonly (RequestOption | string)[];
    readonly schema?: JsonObject;
    readonly expiresAt?: string;
  };
  'request.resolved': WithActor & {
    readonly request: string;
    readonly decision: string | null;
    readonly value?: JsonValue;
    readonly note?: string;
    readonly by: ResolvedBy;
  };
  'usage.recorded': UsageData & { readonly step?: number };
  'diagnostic.recorded': { readonly severity: Severity; readonly code: string; readonly message: string };
}

/** The name of an event type. */
export type EventType = keyof EventData;

/** The compiler requires an entry for each type. */
const TYPES: Readonly<Record<EventType, true>> = {
  'worker.created': true,
  'worker.forked': true,
  'worker.updated': true,
  'worker.stopped': true,
  'worker.resumed': true,
  'worker.deleted': true,
  'execution.attached': true,
  'execution.detached': true,
  'execution.recorded': true,
  'history.started': true,
  'file.stored': true,
  'input.accepted': true,
  'run.started': true,
  'run.continued': true,
  'run.finished': true,
  'step.started': true,
  'step.finished': true,
  'message.completed': true,
  'tool.called': true,
  'tool.finished': true,
  'request.opened': true,
  'request.resolved': true,
  'usage.recorded': true,
  'diagnostic.recorded': true,
};

/** All event types that this version writes. */
export const EVENT_TYPES = Object.keys(TYPES) as readonly EventType[];

/** An event before it has a number and a time. */
export type NewEvent = {
  readonly [T in EventType]: { readonly type: T; readonly run?: string; readonly data: EventData[T] };
}[EventType];

interface Envelope {
  /** The number of the event in its log: 1, 2, 3 …, without gaps. */
  readonly seq: number;
  /** ISO 8601 in UTC. Never earlier than the time of the event before it. */
  readonly time: string;
  readonly worker: string;
  /** The run that the event belongs to, if any. */
  readonly run?: string;
}

/**
 * An immutable event in the log of one Worker. A newer version may have written types that are not listed here. Readers
 * keep and show them and projections skip them, so a `switch` on `type` needs a default.
 */
export type WorkerEvent = Envelope & NewEvent;

/**
 * Completes an event with its envelope. The members are named, because V8 copies an object after other members much more
 * slowly, and each event passes here.
 */
export const envelope = (
  seq: number,
  time: string,
  worker: string,
  { type, run, data }: NewEvent,
): WorkerEvent =>
  (run === undefined
    ? { seq, time, worker, type, data }
    : { seq, time, worker, type, run, data }) as WorkerEvent;

/** Any character that JSON may escape: controls, the quote, the backslash, and halves of surrogate pairs. */
const ESCAPED = /[^ !#-[\]-\ud7ff\ue000-\uffff]/;

const quoted = (text: string): string => (ESCAPED.test(text) ? JSON.stringify(text) : `"${text}"`);

/**
 * Encodes the data of an event that this version has made. Hot path: most events are messages of one text, whose members are
 * known; writing them takes a third of the time of `JSON.stringify` (decision 0116).
 */
export const encodeData = (event: NewEvent): string => {
  const only =
    event.type === 'message.completed' && event.data.parts.length === 1 ? event.data.parts[0] : undefined;
  if (event.type !== 'message.completed' || only?.type !== 'text' || only.opaque !== undefined)
    return JSON.stringify(event.data);
  const { message, role, step, partial } = event.data;
  const text = `{"id":"${only.id}","type":"text","text":${quoted(only.text)}}`;
  const rest = `${step === undefined ? '' : `,"step":${step}`}${partial ? ',"partial":true' : ''}`;
  return `{"message":"${message}","role":"${role}","parts":[${text}]${rest}}`;
};

/**
 * Encodes an event as one line of JSON, without the newline. Disk, memory and wire carry exactly these characters. `data` is its
 * data as JSON; by default all of its members, also those that this version does not know.
 */
export const encodeEvent = (
  seq: number,
  time: string,
  worker: string,
  event: NewEvent,
  data: string = JSON.stringify(event.data),
): string => {
  const run = event.run === undefined ? '' : `,"run":"${event.run}"`;
  return `{"seq":${seq},"time":"${time}","worker":"${worker}","type":"${event.type}"${run},"data":${data}}`;
};

/** Decodes one line of a log. */
export const decodeEvent = (line: string): WorkerEvent => JSON.parse(line) as WorkerEvent;
