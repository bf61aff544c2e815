import type {
  Delta,
  InFlightMessage,
  ModelUsage,
  Overview,
  RunResult,
  TextPart,
  ToolPart,
  TranscriptItem,
  UsageTotals,
} from '@worker-runtime/core';
import {
  anyJson,
  count,
  described,
  type JsonSchema,
  list,
  map,
  noText,
  object,
  oneOf,
  only,
  orNull,
  ref,
  type Schemas,
  text,
  time,
  yes,
} from './json-schema.ts';
import { cursor } from './worker.ts';

const usage: Readonly<Record<keyof ModelUsage, JsonSchema>> = {
  inputTokens: count,
  outputTokens: count,
  cacheReadTokens: count,
  cacheWriteTokens: count,
  reasoningTokens: count,
};

type ToolPartOf<Type extends ToolPart['type']> = Extract<ToolPart, { readonly type: Type }>;
const shownText = oneOf('text', 'reasoning');

/** What is derived from a log, and what is shown before it is there. */
export const historySchemas: Schemas = {
  TranscriptItem: object<TranscriptItem>(
    {
      seq: count,
      id: text,
      role: oneOf('user', 'assistant', 'system', 'tool'),
      parts: list({ oneOf: [ref('MessagePart'), ref('InputPart'), ref('ToolCall'), ref('ToolResult')] }),
      run: noText,
      time,
    },
    { partial: yes },
  ),
  InputPart: object<TextPart>({ type: only('text'), text }),
  ToolCall: object<ToolPartOf<'tool-call'>>({
    type: only('tool-call'),
    call: text,
    name: text,
    input: anyJson,
  }),
  ToolResult: object<ToolPartOf<'tool-result'>>(
    { type: only('tool-result'), call: text },
    { output: anyJson, error: text, truncated: yes },
  ),
  Overview: object<Overview>({
    workerId: text,
    events: count,
    inputs: count,
    messages: count,
    toolCalls: count,
    runs: object<Overview['runs']>({ completed: count, failed: count, cancelled: count, interrupted: count }),
    usage: ref('UsageTotals'),
    lastActivityAt: time,
    asOf: cursor,
  }),
  ModelUsage: object<ModelUsage>(usage),
  UsageTotals: object<UsageTotals>({ ...usage, byModel: map(ref('ModelUsage')) }),
  RunResult: object<RunResult>({
    runId: text,
    outcome: oneOf('completed', 'failed', 'cancelled', 'interrupted'),
    messages: list(ref('TranscriptItem')),
    usage: ref('UsageTotals'),
    error: orNull(ref('RunError')),
  }),
  InFlightMessage: described(
    object<InFlightMessage>({
      run: text,
      message: text,
      parts: list(object<InFlightMessage['parts'][number]>({ id: text, type: shownText, text })),
    }),
    'Text of a message that is being written; replaced by its `message.completed`.',
  ),
  Delta: object<Delta>({
    run: text,
    message: text,
    part: text,
    partType: shownText,
    offset: described(count, 'UTF-16 units before it.'),
    text,
  }),
};
