import type {
  Delta,
  InFlightMessage,
  Overview,
  RunInfo,
  RunResult,
  TextPart,
  ToolPart,
  TranscriptItem,
  UsageTotals,
} from '@worker-runtime/core';
import type { ModelUsage, RunEndPart } from '@worker-runtime/core/plugin-kit';
import { cursor } from './cursor.ts';
import { type MessageFile, toolCallDetails, url } from './events.ts';
import {
  anyJson,
  arrayOf,
  constant,
  constTrue,
  count,
  dateTime,
  described,
  enumOf,
  type JsonSchema,
  mapOf,
  nullable,
  nullableString,
  object,
  ref,
  type Schemas,
  string,
  union,
} from './json-schema.ts';
import { digest } from './request-bodies.ts';

const usage: Readonly<Record<keyof ModelUsage, JsonSchema>> = {
  inputTokens: count,
  outputTokens: count,
  cacheReadTokens: count,
  cacheWriteTokens: count,
  reasoningTokens: count,
};

type ToolPartOf<Type extends ToolPart['type']> = Extract<ToolPart, { readonly type: Type }>;
const shownText = enumOf('text', 'reasoning');

type TranscriptFile = Omit<MessageFile, 'id' | 'opaque'> & { readonly id?: string };

/** The schemas of views of a log, and of text in progress. */
export const historySchemas: Schemas = {
  TranscriptItem: object<TranscriptItem>(
    {
      seq: count,
      id: string,
      role: enumOf('user', 'assistant', 'system', 'tool'),
      parts: arrayOf(ref('TranscriptPart')),
      run: nullableString,
      time: dateTime,
    },
    {
      partial: constTrue,
      messageId: string,
      actor: described(string, 'Who sent the input or cancelled the run: the name of an access token.'),
    },
  ),
  TranscriptPart: union('type', {
    text: 'TranscriptText',
    reasoning: 'ReasoningPart',
    file: 'TranscriptFile',
    'tool-call': 'ToolCall',
    'tool-result': 'ToolResult',
    'run-end': 'RunEnd',
  }),
  TranscriptText: object<TextPart & { readonly id?: string }>(
    { type: constant('text'), text: string },
    { id: described(string, 'Only in a message.') },
  ),
  TranscriptFile: object<TranscriptFile>(
    { type: constant('file'), mediaType: string },
    { id: described(string, 'Only in a message.'), digest, sizeBytes: count, name: string, url },
  ),
  ToolCall: object<Omit<ToolPartOf<'tool-call'>, 'opaque'>>(
    { type: constant('tool-call'), call: string, name: string, input: anyJson },
    toolCallDetails,
  ),
  ToolResult: object<ToolPartOf<'tool-result'>>(
    { type: constant('tool-result'), call: string },
    {
      output: anyJson,
      error: string,
      files: arrayOf(ref('FilePart')),
      truncated: constTrue,
      denied: constTrue,
    },
  ),
  RunEnd: object<RunEndPart>(
    { type: constant('run-end'), outcome: enumOf('failed', 'cancelled', 'interrupted') },
    { error: ref('RunError'), reason: string },
  ),
  Overview: object<Overview>({
    workerId: string,
    events: count,
    inputs: count,
    messages: count,
    toolCalls: count,
    runs: object<Overview['runs']>({ completed: count, failed: count, cancelled: count, interrupted: count }),
    usage: ref('UsageTotals'),
    lastActivityAt: dateTime,
    asOf: cursor,
  }),
  ModelUsage: object<ModelUsage>(usage),
  UsageTotals: object<UsageTotals>({ ...usage, byModel: mapOf(ref('ModelUsage')) }),
  RunInfo: object<RunInfo>({
    runId: string,
    inputId: nullableString,
    status: enumOf('queued', 'running', 'waiting', 'finished'),
    cursor: described(cursor, 'A stream opened here delivers the run from its beginning.'),
    startedAt: nullable(dateTime),
    finishedAt: nullable(dateTime),
    outcome: nullable(enumOf('completed', 'failed', 'cancelled', 'interrupted')),
    error: nullable(ref('RunError')),
    usage: ref('UsageTotals'),
  }),
  RunResult: object<RunResult>({
    runId: string,
    outcome: enumOf('completed', 'failed', 'cancelled', 'interrupted'),
    messages: arrayOf(ref('TranscriptItem')),
    usage: ref('UsageTotals'),
    error: nullable(ref('RunError')),
  }),
  InFlightMessage: described(
    object<InFlightMessage>({
      run: string,
      message: string,
      parts: arrayOf(object<InFlightMessage['parts'][number]>({ id: string, type: shownText, text: string })),
    }),
    'The text so far of a message in progress. The event `message.completed` replaces it.',
  ),
  Delta: object<Delta>({
    run: string,
    message: string,
    part: string,
    partType: shownText,
    offset: described(count, 'The number of UTF-16 units of the part before this text.'),
    text: string,
  }),
};
