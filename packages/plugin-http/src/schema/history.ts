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
import type {
  ModelPrice,
  PriceList,
  UsageOfDay,
  UsageOfModel,
  UsageOfWorker,
  UsageReport,
} from '@worker-runtime/core/views';
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

const usageOfModel: Readonly<Record<keyof UsageOfModel, JsonSchema>> = {
  model: described(
    nullableString,
    'Null for calls whose engine names no model, and for models beyond the first 100.',
  ),
  ...usage,
};
const day = described({ type: 'string', pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' }, 'A day of UTC.');
const price: JsonSchema = { type: 'number', minimum: 0 };

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
  UsageOfModel: object<UsageOfModel>(usageOfModel),
  UsageOfDay: object<UsageOfDay>({ day, ...usageOfModel }),
  UsageOfWorker: object<UsageOfWorker>({
    workerId: string,
    displayName: nullableString,
    models: arrayOf(ref('UsageOfModel')),
  }),
  UsageReport: object<UsageReport>({
    runtimeId: string,
    from: day,
    to: day,
    days: described(
      arrayOf(ref('UsageOfDay')),
      'The days with usage, oldest first, each model of a day apart.',
    ),
    workers: described(
      arrayOf(ref('UsageOfWorker')),
      'The Workers that used most, the one with most tokens first.',
    ),
    workersWithUsage: described(count, 'The number of all Workers that used tokens in these days.'),
    earlier: described(arrayOf(ref('UsageOfModel')), 'The usage at any other time.'),
  }),
  Prices: object<{ readonly prices: PriceList | null }>({ prices: nullable(ref('PriceList')) }),
  PriceList: object<PriceList>({
    currency: described({ type: 'string', pattern: '^[A-Z]{3}$' }, 'A code of ISO 4217.'),
    models: described(
      mapOf(ref('ModelPrice')),
      'By the name of the model. A name that ends with `*` is for all names that begin so.',
    ),
  }),
  ModelPrice: described(
    object<ModelPrice>({ input: price, output: price }, { cacheRead: price, cacheWrite: price }),
    'The prices of a million tokens. The default for caches is the price of the input.',
  ),
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
