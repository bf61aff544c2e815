import { randomInt } from 'node:crypto';
import type { EngineOutput, JsonObject, JsonValue } from '@worker-runtime/core';
import type { Usage } from '@worker-runtime/core/plugin-kit';
import type { LanguageModelUsage, TextStreamPart, ToolSet } from 'ai';

/** A tool call that a model requested. */
export interface ModelCall {
  readonly call: string;
  /** The name of the tool as the model wrote it. */
  readonly name: string;
  readonly input: JsonValue;
  /** The reason if the call is invalid, for the model; null for a valid call. */
  readonly invalid: string | null;
}

export interface ModelStep {
  readonly calls: readonly ModelCall[];
  readonly finish: string;
  readonly usage: Usage | null;
}

/** Returns the name of a tool for a model. Models accept only 64 letters, digits, `_` and `-`. */
export const toolNameForModel = (name: string): string => name.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 64);

const CALL_ID_CHARS = 'abcdefghijklmnopqrstuvwxyz0123456789';

/**
 * Returns a call id that is unique in the log. The ids of providers are not: some count from 0 in each answer. All
 * providers accept ids of nine letters and digits.
 */
export const mintCall = (): string =>
  Array.from({ length: 9 }, () => CALL_ID_CHARS[randomInt(CALL_ID_CHARS.length)]).join('');

/** A number of tokens as the runtime accepts it. Providers also report other values, which count as unknown. */
const tokens = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;

/** Translates the usage of one call of a model; null if the provider reports none. */
export const usageOf = (model: string, usage: LanguageModelUsage): Usage | null => {
  const { inputTokenDetails, outputTokenDetails } = usage;
  const [inputTokens, outputTokens] = [tokens(usage.inputTokens), tokens(usage.outputTokens)];
  if (inputTokens === undefined && outputTokens === undefined) return null;
  const cacheReadTokens = tokens(inputTokenDetails.cacheReadTokens);
  const cacheWriteTokens = tokens(inputTokenDetails.cacheWriteTokens);
  const reasoningTokens = tokens(outputTokenDetails.reasoningTokens);
  return {
    type: 'usage',
    model,
    inputTokens: inputTokens ?? 0,
    outputTokens: outputTokens ?? 0,
    ...(cacheReadTokens !== undefined && { cacheReadTokens }),
    ...(cacheWriteTokens !== undefined && { cacheWriteTokens }),
    ...(reasoningTokens !== undefined && { reasoningTokens }),
  };
};

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const callOf = (part: Extract<TextStreamPart<ToolSet>, { readonly type: 'tool-call' }>): ModelCall => {
  const isInvalid = part.dynamic === true && part.invalid === true;
  const input = part.input as JsonValue;
  return {
    call: mintCall(),
    name: part.toolName,
    input: isObject(input) ? input : { input },
    invalid: isInvalid
      ? part.error instanceof Error
        ? part.error.message.slice(0, 2_000)
        : 'The call is invalid'
      : null,
  };
};

/**
 * Translates one answer of a model into outputs: text and reasoning as they arrive, then one array with everything that
 * is recorded, so that it is one commit. `nameOf` returns the name under which a tool was granted.
 */
export async function* modelStep(
  model: string,
  parts: AsyncIterable<TextStreamPart<ToolSet>>,
  nameOf: (modelName: string) => string,
): AsyncGenerator<EngineOutput | readonly EngineOutput[], ModelStep> {
  const calls: ModelCall[] = [];
  let finish = 'other';
  let usage: Usage | null = null;
  // The provider makes these calls itself, with tools that the operator's options give the model.
  const providerTools = new Set<string>();
  yield { type: 'step-start', model };
  for await (const part of parts) {
    if (part.type === 'text-delta') yield { type: 'text', text: part.text };
    else if (part.type === 'reasoning-delta') yield { type: 'reasoning', text: part.text };
    else if (part.type === 'tool-call' && part.providerExecuted === true)
      providerTools.add(nameOf(part.toolName));
    else if (part.type === 'tool-call') calls.push(callOf(part));
    else if (part.type === 'finish-step') {
      finish = part.finishReason;
      usage = usageOf(model, part.usage);
    }
  }
  yield [
    { type: 'message' },
    ...calls.map(
      ({ call, name, input }) => ({ type: 'tool-call', call, name: nameOf(name), input }) as const,
    ),
    ...[...providerTools].map(
      (name): EngineOutput => ({
        type: 'notice',
        severity: 'info',
        code: 'PROVIDER_TOOL',
        message: `The provider called its own tool ${name}`,
      }),
    ),
    ...(usage ? [usage] : []),
    { type: 'step-finish', finish },
  ];
  return { calls, finish, usage };
}
