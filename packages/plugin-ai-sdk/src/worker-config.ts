import { type JsonObject, RuntimeError } from '@worker-runtime/core';
import { z } from 'zod';
import type { ProviderOptions } from './options.ts';
import { checkedConfig } from './validation.ts';

const share = z.number().min(0).max(1);
const json = z.json();

const schema = z.strictObject({
  /** One of those that the operator configured. */
  provider: z.string(),
  model: z.string().min(1).max(256),
  /** The system prompt. */
  system: z.string().max(200_000).optional(),
  settings: z
    .strictObject({
      temperature: z.number().min(0).max(2).optional(),
      topP: share.optional(),
      topK: z.number().int().min(1).optional(),
      maxOutputTokens: z.number().int().min(1).optional(),
      presencePenalty: z.number().min(-2).max(2).optional(),
      frequencyPenalty: z.number().min(-2).max(2).optional(),
      stopSequences: z.array(z.string().min(1)).max(16).optional(),
      seed: z.number().int().optional(),
    })
    .default({}),
  /** Of the provider alone, as its AI SDK package names them: `{ "reasoningEffort": "low" }`. */
  providerOptions: z.record(z.string(), json).default({}),
  /** Calls of the model in one run; a run that wants more fails with LIMIT_REACHED. */
  maxSteps: z.number().int().min(1).max(1_000).default(20),
  /** `ask`: each call of a tool needs permission, also of one that the operator allows. */
  permission: z.literal('ask').optional(),
  /** What a request may hold, and what happens when it would hold more. Without it, the model's own limit is met. */
  context: z
    .strictObject({
      maxTokens: z.number().int().min(100).max(100_000_000),
      whenFull: z.enum(['fail', 'summarize']).default('fail'),
    })
    .optional(),
});

/** What a Worker's creation, or its profile, says of its model. */
export type AiSdkConfig = z.input<typeof schema>;
export type WorkerConfig = z.output<typeof schema>;

/** @throws CONFIG_UNSUPPORTED with a JSON pointer to what does not fit */
export const workerConfig = (
  config: JsonObject,
  providers: Readonly<Record<string, ProviderOptions>>,
): WorkerConfig => {
  const checked = checkedConfig(schema, config);
  if (!Object.hasOwn(providers, checked.provider))
    throw new RuntimeError('CONFIG_UNSUPPORTED', `There is no provider "${checked.provider}"`, {
      details: {
        issues: [{ pointer: '/config/provider', message: 'is not configured' }],
        known: Object.keys(providers),
      },
    });
  return checked;
};
