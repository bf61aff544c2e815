import { type JsonObject, RuntimeError } from '@worker-runtime/core';
import { z } from 'zod';
import type { ProviderOptions } from './options.ts';
import { requestOptions } from './request-options.ts';
import { type TakenFiles, takenFiles } from './taken-files.ts';
import { parseConfig } from './validation.ts';

const MEDIA_TYPE = /^(?:\*\/\*|[a-z0-9][a-z0-9!#$&^_.+-]{0,63}\/(?:\*|[a-z0-9][a-z0-9!#$&^_.+-]{0,63}))$/;
const share = z.number().min(0).max(1);
const json = z.json();

const schema = z.strictObject({
  /** The name of a provider that the operator configured. */
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
  /**
   * Options of the provider only, as its AI SDK package names them: `{ "reasoningEffort": "low" }`. `requestOptions`
   * lists those that a Worker may set.
   */
  providerOptions: z.record(z.string(), json).default({}),
  /**
   * The media types of files that the model takes as they are, such as `image/*` and `application/pdf`. Text needs no entry.
   * Default: what all models of Anthropic take for that type of provider, and none for others.
   */
  files: z.array(z.string().regex(MEDIA_TYPE, 'must be a media type, such as image/*')).max(64).optional(),
  /** The most calls of the model in one run. A run that needs more fails with LIMIT_REACHED. */
  maxSteps: z.number().int().min(1).max(1_000).default(20),
  /** `ask`: every tool call needs permission, even if the operator allows the tool. */
  permission: z.literal('ask').optional(),
  /** The size limit of a request in tokens, and what happens at it. Without it, only the limit of the model applies. */
  context: z
    .strictObject({
      maxTokens: z.number().int().min(100).max(100_000_000),
      whenFull: z.enum(['fail', 'summarize']).default('fail'),
    })
    .optional(),
});

/** The configuration of a Worker, from its creation or its profile. */
export type AiSdkConfig = z.input<typeof schema>;
/** The configuration with its defaults. `providerOptions` includes those of the operator. */
export type WorkerConfig = Omit<z.output<typeof schema>, 'providerOptions' | 'files'> & {
  readonly providerOptions: JsonObject;
  readonly files: TakenFiles;
};

/** Returns a JSON Schema of the configuration, with the names of the providers. */
export const configSchemaOf = (providers: Readonly<Record<string, ProviderOptions>>): JsonObject =>
  z.toJSONSchema(schema.extend({ provider: z.enum(Object.keys(providers)) }), {
    io: 'input',
  }) as unknown as JsonObject;

/** Checks the configuration of a Worker. @throws CONFIG_UNSUPPORTED with a JSON pointer to the invalid key */
export const workerConfig = (
  config: JsonObject,
  providers: Readonly<Record<string, ProviderOptions>>,
): WorkerConfig => {
  const parsed = parseConfig(schema, config);
  const provider = Object.hasOwn(providers, parsed.provider) ? providers[parsed.provider] : undefined;
  if (!provider)
    throw new RuntimeError('CONFIG_UNSUPPORTED', `There is no provider "${parsed.provider}"`, {
      details: {
        issues: [{ pointer: '/config/provider', message: 'is not configured' }],
        known: Object.keys(providers),
      },
    });
  const models = provider.type === 'embedded' ? Object.keys(provider.models) : provider.models;
  if (models && !models.includes(parsed.model))
    throw new RuntimeError(
      'CONFIG_UNSUPPORTED',
      `The provider "${parsed.provider}" is not configured for the model "${parsed.model}"`,
      { details: { issues: [{ pointer: '/config/model', message: 'is not configured' }], known: models } },
    );
  const issues = (parsed.files ?? []).flatMap((pattern, index) =>
    takenFiles(provider.type, [pattern]).mediaTypes.length > 0
      ? []
      : [{ pointer: `/config/files/${index}`, message: 'cannot be sent to this provider' }],
  );
  if (issues.length > 0)
    throw new RuntimeError(
      'CONFIG_UNSUPPORTED',
      `The provider "${parsed.provider}" cannot be sent files of such a type`,
      { details: { issues, known: takenFiles(provider.type, ['*/*']).mediaTypes } },
    );
  const providerOptions = requestOptions(parsed.providerOptions as JsonObject, provider);
  return { ...parsed, providerOptions, files: takenFiles(provider.type, parsed.files) };
};
