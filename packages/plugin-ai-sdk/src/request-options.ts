import { type JsonObject, RuntimeError } from '@worker-runtime/core';
import { z } from 'zod';
import type { ProviderOptions } from './options.ts';
import { beginning } from './text-beginning.ts';
import { parseConfig } from './validation.ts';

const tokens = z.number().int().min(0).max(10_000_000);
const level = z.string().regex(/^[a-z]{1,16}$/, 'must be a level, such as "low"');

/**
 * The options of a request that a Worker may set, by the type of its provider. Every value has a complete schema,
 * because providers accept tools and addresses at any depth. A new entry must not add a tool, a server, a container or
 * a file, and must not replace the model, the conversation, the address, the price or the place of a request.
 */
const SCHEMAS = {
  anthropic: z.strictObject({
    effort: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).optional(),
    thinking: z
      .discriminatedUnion('type', [
        z.strictObject({ type: z.literal('enabled'), budgetTokens: tokens.optional() }),
        z.strictObject({
          type: z.literal('adaptive'),
          display: z.enum(['omitted', 'summarized', 'updates']).optional(),
        }),
        z.strictObject({ type: z.enum(['disabled', 'between_tools']) }),
      ])
      .optional(),
    sendReasoning: z.boolean().optional(),
    disableParallelToolUse: z.boolean().optional(),
    cacheControl: z
      .strictObject({ type: z.literal('ephemeral'), ttl: z.enum(['5m', '1h']).optional() })
      .optional(),
  }),
  'openai-compatible': z.strictObject({
    reasoningEffort: level.optional(),
    textVerbosity: level.optional(),
    reasoning: z
      .strictObject({
        effort: level.optional(),
        max_tokens: tokens.optional(),
        enabled: z.boolean().optional(),
        exclude: z.boolean().optional(),
      })
      .optional(),
    chat_template_kwargs: z
      .strictObject({
        enable_thinking: z.boolean().optional(),
        thinking: z.boolean().optional(),
        reasoning_effort: level.optional(),
      })
      .optional(),
    enable_thinking: z.boolean().optional(),
    thinking_budget: tokens.optional(),
    parallel_tool_calls: z.boolean().optional(),
    top_k: z.number().int().min(-1).max(1_000_000).optional(),
    min_p: z.number().min(0).max(1).optional(),
    repetition_penalty: z.number().min(0).max(2).optional(),
  }),
  // The packages of the AI SDK have tools and servers among their options, so none of an unknown one is open to Workers.
  embedded: z.strictObject({}),
} as const;

/** The most unknown keys to report, and the most characters of each. */
const MAX_ISSUES = 20;
const MAX_KEY_CHARS = 128;

/**
 * Returns the provider's options for the requests of a Worker: those that the Worker sets, and over them those of the
 * operator.
 * @throws CONFIG_UNSUPPORTED with JSON pointers to the keys that a Worker may not set, or whose values are invalid
 */
export const requestOptions = (
  given: JsonObject,
  { type, providerOptions = {} }: ProviderOptions,
): JsonObject => {
  const known = Object.keys(SCHEMAS[type].shape);
  const unknown = Object.keys(given)
    .filter((key) => !known.includes(key))
    .slice(0, MAX_ISSUES)
    .map((key) => beginning(key, MAX_KEY_CHARS));
  if (unknown.length > 0) {
    const message = `is an option that only the operator may set; a Worker may set ${known.join(', ') || 'none'}`;
    throw new RuntimeError('CONFIG_UNSUPPORTED', `config.providerOptions.${unknown[0]} ${message}`, {
      details: {
        issues: unknown.map((key) => ({ pointer: `/config/providerOptions/${key}`, message })),
        known,
      },
    });
  }
  const parsed = parseConfig<JsonObject>(
    SCHEMAS[type] as unknown as z.ZodType<JsonObject>,
    given,
    '/config/providerOptions',
  );
  return { ...parsed, ...providerOptions };
};
