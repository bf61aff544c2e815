import type { JsonObject } from '@worker-runtime/core';
import { numberAt, objectAt, objectsAt, textAt, textOrNullAt } from './record-fields.ts';

/** A completed item of the conversation with a model, as the old program logs it. */
export type LoggedItem =
  | { readonly kind: 'message'; readonly role: 'user' | 'assistant' | 'system'; readonly text: string }
  | { readonly kind: 'reasoning'; readonly text: string }
  | { readonly kind: 'tool_call'; readonly call: string; readonly name: string; readonly arguments: string }
  | {
      readonly kind: 'tool_result';
      readonly call: string;
      readonly summary: string;
      readonly content: string | null;
      readonly isError: boolean;
    };

/** Context that the old program added for the model. It is not an input of a user. */
export type SystemItem =
  | { readonly kind: 'notification'; readonly message: string }
  | { readonly kind: 'pod_event'; readonly event: string; readonly pod: string }
  | { readonly kind: 'file_attachment'; readonly path: string }
  | { readonly kind: 'knowledge' | 'workflow'; readonly slug: string }
  | { readonly kind: 'task_reminder' }
  | { readonly kind: 'interrupt' };

/** The position in another segment from which a segment continues. */
interface SegmentOrigin {
  readonly segment: string;
  readonly turn: number;
}

export type LogEntry = { readonly ts: number } & (
  | {
      readonly kind: 'segment_start';
      readonly session: string;
      readonly history: readonly LoggedItem[];
      readonly forkedFrom: SegmentOrigin | null;
      readonly compactedFrom: SegmentOrigin | null;
    }
  | { readonly kind: 'invoke'; readonly trigger: string }
  | { readonly kind: 'user_input'; readonly text: string }
  | { readonly kind: 'assistant_item' | 'tool_result'; readonly item: LoggedItem }
  | { readonly kind: 'system_item'; readonly item: SystemItem }
  | { readonly kind: 'turn_end'; readonly turn: number }
  | { readonly kind: 'run_completed'; readonly result: string }
  | { readonly kind: 'run_errored'; readonly message: string }
  | { readonly kind: 'paused_turn_abandoned' }
  | {
      readonly kind: 'llm_usage';
      readonly inputTokens: number;
      readonly outputTokens: number;
      readonly cacheReadTokens: number;
      readonly cacheWriteTokens: number;
    }
  /** Bookkeeping that is not part of the conversation. */
  | { readonly kind: 'config_changed' | 'extension' }
);

/** Joins the segments of a user's input to one text, in which each segment reads as the model received it. */
export const textOfSegments = (segments: readonly JsonObject[]): string =>
  segments
    .map((segment) => {
      switch (segment.kind) {
        case 'text':
        case 'paste':
          return textAt(segment, 'content');
        case 'file_ref':
          return `@${textAt(segment, 'path')}`;
        case 'knowledge_ref':
          return `#${textAt(segment, 'slug')}`;
        case 'workflow_invoke':
          return `/${textAt(segment, 'slug')}`;
        default:
          return '[unknown input segment]';
      }
    })
    .join('');

const ROLES = new Set(['user', 'assistant', 'system']);

/** Reads a logged item. Returns null for an unknown kind. Omits signatures and encrypted reasoning. */
export const loggedItem = (raw: JsonObject): LoggedItem | null => {
  switch (raw.kind) {
    case 'message': {
      const role = textAt(raw, 'role');
      const text = objectsAt(raw, 'content')
        .map((part) => textAt(part, part.kind === 'refusal' ? 'refusal' : 'text'))
        .join('');
      return ROLES.has(role)
        ? { kind: 'message', role: role as 'user' | 'assistant' | 'system', text }
        : null;
    }
    case 'reasoning': {
      const summary = Array.isArray(raw.summary)
        ? raw.summary.filter((part) => typeof part === 'string').join('\n\n')
        : '';
      return { kind: 'reasoning', text: textAt(raw, 'text') || summary };
    }
    case 'tool_call':
      return {
        kind: 'tool_call',
        call: textAt(raw, 'call_id'),
        name: textAt(raw, 'name'),
        arguments: textAt(raw, 'arguments'),
      };
    case 'tool_result':
      return {
        kind: 'tool_result',
        call: textAt(raw, 'call_id'),
        summary: textAt(raw, 'summary'),
        content: textOrNullAt(raw, 'content'),
        isError: raw.is_error === true,
      };
    default:
      return null;
  }
};

/** Reads a system item. Returns null for an unknown kind. */
export const systemItem = (raw: JsonObject): SystemItem | null => {
  switch (raw.kind) {
    case 'notification':
      return { kind: 'notification', message: textAt(raw, 'message') };
    case 'pod_event': {
      const event = objectAt(raw, 'event') ?? {};
      return { kind: 'pod_event', event: textAt(event, 'kind'), pod: textAt(event, 'pod_name') };
    }
    case 'file_attachment':
      return { kind: 'file_attachment', path: textAt(raw, 'path') };
    case 'knowledge':
    case 'workflow':
      return { kind: raw.kind, slug: textAt(raw, 'slug') };
    case 'task_reminder':
    case 'interrupt':
      return { kind: raw.kind };
    default:
      return null;
  }
};

const origin = (raw: JsonObject | null): SegmentOrigin | null =>
  raw && { segment: textAt(raw, 'segment_id'), turn: numberAt(raw, 'at_turn_index') };

const present = <T>(value: T | null): value is T => value !== null;

/** Reads one record of a session log. Returns null if its kind, or the kind of its item, is unknown. */
export const logEntry = (raw: JsonObject): LogEntry | null => {
  const ts = numberAt(raw, 'ts');
  switch (raw.kind) {
    case 'segment_start':
      return {
        kind: 'segment_start',
        ts,
        session: textAt(raw, 'session_id'),
        history: objectsAt(raw, 'history').map(loggedItem).filter(present),
        forkedFrom: origin(objectAt(raw, 'forked_from')),
        compactedFrom: origin(objectAt(raw, 'compacted_from')),
      };
    case 'invoke':
      return { kind: 'invoke', ts, trigger: textAt(raw, 'trigger') };
    case 'user_input':
      return { kind: 'user_input', ts, text: textOfSegments(objectsAt(raw, 'segments')) };
    case 'assistant_item':
    case 'tool_result': {
      const item = loggedItem(objectAt(raw, 'item') ?? {});
      return item && { kind: raw.kind, ts, item };
    }
    case 'system_item': {
      const item = systemItem(objectAt(raw, 'item') ?? {});
      return item && { kind: 'system_item', ts, item };
    }
    case 'turn_end':
      return { kind: 'turn_end', ts, turn: numberAt(raw, 'turn_count') };
    case 'run_completed':
      return { kind: 'run_completed', ts, result: textAt(raw, 'result') };
    case 'run_errored':
      return { kind: 'run_errored', ts, message: textAt(raw, 'message') };
    case 'paused_turn_abandoned':
    case 'config_changed':
    case 'extension':
      return { kind: raw.kind, ts };
    case 'llm_usage':
      return {
        kind: 'llm_usage',
        ts,
        inputTokens: numberAt(raw, 'input_total_tokens'),
        outputTokens: numberAt(raw, 'output_tokens'),
        cacheReadTokens: numberAt(raw, 'cache_read_tokens'),
        cacheWriteTokens: numberAt(raw, 'cache_write_tokens'),
      };
    default:
      return null;
  }
};
