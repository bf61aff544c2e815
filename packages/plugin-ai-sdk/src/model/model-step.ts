import { randomInt } from 'node:crypto';
import type { EngineOutput, JsonObject, JsonValue, Usage } from '@worker-runtime/core';
import type { LanguageModelUsage, TextStreamPart, ToolSet } from 'ai';

/** A call that a model made. */
export interface ModelCall {
  readonly call: string;
  /** As the model wrote it. */
  readonly name: string;
  readonly input: JsonValue;
  /** Why it cannot be made: no such tool, or an input that does not fit. For the model to read. */
  readonly refusal: string | null;
}

export interface ModelStep {
  readonly calls: readonly ModelCall[];
  readonly finish: string;
  readonly usage: Usage | null;
}

const DIGITS = 'abcdefghijklmnopqrstuvwxyz0123456789';

/**
 * An id that is unique in a log, where those of providers need not be: some count from 0 in each answer. Nine letters
 * and digits are what all of them accept back.
 */
export const mintCall = (): string =>
  Array.from({ length: 9 }, () => DIGITS[randomInt(DIGITS.length)]).join('');

export const usageOf = (model: string, usage: LanguageModelUsage): Usage | null => {
  const { inputTokens, outputTokens, inputTokenDetails, outputTokenDetails } = usage;
  if (inputTokens === undefined && outputTokens === undefined) return null;
  const { cacheReadTokens, cacheWriteTokens } = inputTokenDetails;
  const { reasoningTokens } = outputTokenDetails;
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
    refusal: isInvalid
      ? part.error instanceof Error
        ? part.error.message.slice(0, 2_000)
        : 'The call is not valid'
      : null,
  };
};

/**
 * One call of a model as outputs: text and reasoning while they come, then all that is to be kept in one array, and
 * with it in one commit. `nameOf` gives the name by which a tool was granted.
 */
export async function* modelStep(
  model: string,
  parts: AsyncIterable<TextStreamPart<ToolSet>>,
  nameOf: (modelName: string) => string,
): AsyncGenerator<EngineOutput | readonly EngineOutput[], ModelStep> {
  const calls: ModelCall[] = [];
  let finish = 'other';
  let usage: Usage | null = null;
  yield { type: 'step-start', model };
  for await (const part of parts) {
    if (part.type === 'text-delta') yield { type: 'text', text: part.text };
    else if (part.type === 'reasoning-delta') yield { type: 'reasoning', text: part.text };
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
    ...(usage ? [usage] : []),
    { type: 'step-finish', finish },
  ];
  return { calls, finish, usage };
}
