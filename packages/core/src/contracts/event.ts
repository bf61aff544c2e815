import type { ClaimMode } from './claim.ts';
import type { JsonObject, JsonValue } from './json.ts';
import type { ErrorCode } from './runtime-error.ts';

export interface TextPart {
  readonly type: 'text';
  readonly text: string;
}

/** A part of a message; `id` is stable, so that a live view can replace what it streamed. */
export type MessagePart =
  | { readonly id: string; readonly type: 'text'; readonly text: string }
  | { readonly id: string; readonly type: 'reasoning'; readonly text: string }
  | {
      readonly id: string;
      readonly type: 'file';
      readonly mediaType: string;
      readonly url: string;
      readonly name?: string;
    };

export type InputRole = 'user' | 'system';
export type RunOutcome = 'completed' | 'failed' | 'cancelled' | 'interrupted';
export type StopResult = 'graceful' | 'detached';
export type DetachCause = 'stop' | 'restart' | 'crash' | 'deadline';
export type Severity = 'info' | 'warning' | 'error';
export type RequestKind = 'permission' | 'question';
export type ResolvedBy = 'client' | 'timeout' | 'cancel' | 'restart';

export interface BundleRef {
  readonly id: string;
  readonly digest: string;
}

/** An idempotency key as it stands in the event that it caused. */
export interface EventKey {
  readonly value: string;
  readonly digest: string;
}

export interface RunError {
  readonly code: ErrorCode;
  readonly message: string;
}

export interface UsageData {
  readonly model?: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens?: number;
  readonly cacheWriteTokens?: number;
  readonly reasoningTokens?: number;
}

/** The durable facts of a Worker's log: event type to the shape of its `data`. */
export interface EventData {
  'worker.created': {
    readonly engine: string;
    readonly displayName: string | null;
    readonly labels: Readonly<Record<string, string>>;
    readonly parent: string | null;
    readonly profile: string | null;
    readonly bundle: BundleRef | null;
    readonly configDigest: string;
    readonly tools: readonly string[];
    readonly claims: readonly { readonly name: string; readonly mode: ClaimMode }[];
    readonly key?: EventKey;
  };
  'worker.updated': {
    readonly displayName?: string | null;
    readonly labels?: Readonly<Record<string, string>>;
  };
  'worker.stopped': { readonly outcome: StopResult; readonly reason?: string };
  'worker.resumed': { readonly reason?: string };
  /** The last event of a log: the Worker is gone, or its creation failed. */
  'worker.deleted': { readonly cause: 'delete' | 'creation' };
  'execution.attached': { readonly generation: number; readonly engine: string };
  'execution.detached': {
    readonly generation: number;
    readonly cause: DetachCause;
    readonly code?: ErrorCode;
  };
  /** What an execution left for the next one. */
  'execution.recorded': { readonly value: JsonValue };
  'input.accepted': {
    readonly input: string;
    readonly role: InputRole;
    readonly parts: readonly TextPart[];
    readonly queued: boolean;
    readonly key?: EventKey;
    readonly metadata?: JsonObject;
  };
  'run.started': {
    readonly input?: string;
    readonly origin: 'input' | 'engine';
    readonly generation: number;
  };
  'run.finished': { readonly outcome: RunOutcome; readonly error?: RunError; readonly reason?: string };
  'step.started': { readonly step: number; readonly model?: string };
  'step.finished': { readonly step: number; readonly finish: string };
  'message.completed': {
    readonly message: string;
    readonly role: 'assistant';
    readonly parts: readonly MessagePart[];
    readonly partial?: true;
  };
  'tool.called': { readonly call: string; readonly name: string; readonly input: JsonValue };
  'tool.finished': {
    readonly call: string;
    readonly output?: JsonValue;
    readonly error?: string;
    readonly truncated?: true;
  };
  'request.opened': {
    readonly request: string;
    readonly kind: RequestKind;
    readonly prompt: string;
    readonly call?: string;
    readonly options: readonly string[];
    readonly expiresAt?: string;
  };
  'request.resolved': {
    readonly request: string;
    readonly decision: string | null;
    readonly note?: string;
    readonly by: ResolvedBy;
  };
  'usage.recorded': UsageData;
  'diagnostic.recorded': { readonly severity: Severity; readonly code: string; readonly message: string };
}

export type EventType = keyof EventData;

/** An event before it has a number and a time. */
export type NewEvent = {
  readonly [T in EventType]: { readonly type: T; readonly run?: string; readonly data: EventData[T] };
}[EventType];

interface Envelope {
  /** 1, 2, 3 … without gaps in one log. */
  readonly seq: number;
  /** ISO 8601 UTC, never before that of the event before it. */
  readonly time: string;
  readonly worker: string;
  readonly run?: string;
}

/**
 * An immutable fact in one Worker's log. A newer version may have written types that are not listed here: readers
 * keep and show them, projections skip them (so switch on `type` with a default).
 */
export type WorkerEvent = Envelope & NewEvent;

const encoder = JSON.stringify;

/** The one JSON line of an event, without the newline. Written once; disk, memory and wire carry these characters. */
export const encodeEvent = (seq: number, time: string, worker: string, event: NewEvent): string => {
  const run = event.run === undefined ? '' : `,"run":"${event.run}"`;
  return `{"seq":${seq},"time":"${time}","worker":"${worker}","type":"${event.type}"${run},"data":${encoder(event.data)}}`;
};

export const decodeEvent = (line: string): WorkerEvent => JSON.parse(line) as WorkerEvent;
