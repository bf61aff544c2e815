import type { JsonObject } from '@worker-runtime/core';
import type { Tool } from 'ai';
import { z } from 'zod';
import { type EmbeddedModel, isEmbeddedModel } from './model-object.ts';
import { parseOptions } from './validation.ts';

/** The source of a key. It is read each time the key is needed, so the key can be changed while the runtime runs. */
export interface KeySource {
  /** The name of an environment variable. */
  readonly apiKeyEnv?: string | undefined;
  /** The path of a file that has only the key. */
  readonly apiKeyFile?: string | undefined;
}

interface AnswerTimes {
  /** Replaces the option `stallMs` for this provider. */
  readonly stallMs?: number | undefined;
  /**
   * The longest time to the first output of an answer, in milliseconds, however silent the provider is until then. A
   * local model that reads a long conversation may need more than `stallMs`. Default: `stallMs`, or ten times as long
   * if the provider sends signs of life.
   */
  readonly firstTokenMs?: number | undefined;
}

/** A server of models, with the key for it. */
type ModelServerOptions = KeySource & {
  /** The models that Workers may use. Default: every model of the provider. */
  readonly models?: readonly string[] | undefined;
  /**
   * Options of every request, as the AI SDK package of the provider names them. They replace those of a Worker, and may
   * be any: also those that give a model tools, servers or containers of the provider.
   */
  readonly providerOptions?: JsonObject | undefined;
} & (
    | { readonly type: 'openai-compatible'; readonly baseUrl: string }
    /** The default of `baseUrl` is Anthropic's own address. */
    | { readonly type: 'anthropic'; readonly baseUrl?: string | undefined }
  );

/** Model objects of the embedding program. They have their keys and addresses themselves. */
interface EmbeddedModelsOptions {
  readonly type: 'embedded';
  /** The models that Workers may use, by the name that a Worker's `config.model` refers to. */
  readonly models: Readonly<Record<string, EmbeddedModel>>;
  /** Options of every request, by the name that the AI SDK package of the model has for them, such as `google`. */
  readonly providerOptions?: Readonly<Record<string, JsonObject>> | undefined;
}

/**
 * A provider of models. Only the operator configures addresses: a Worker that could choose one could send the key
 * anywhere.
 */
export type ProviderOptions = AnswerTimes & (ModelServerOptions | EmbeddedModelsOptions);

/** A tool server of the Model Context Protocol (https://modelcontextprotocol.io). */
export type McpServerOptions = {
  /** `ask` (the default): each call of its tools needs permission. `allow`: no call does. */
  readonly permission: 'ask' | 'allow';
  /** Replaces the option `connectMs` for this server. */
  readonly connectMs?: number | undefined;
} & (
  | {
      /** A program that serves its standard input and output. All Workers share one process. */
      readonly command: string;
      readonly args: readonly string[];
      readonly cwd?: string | undefined;
      /** The names of environment variables that the program gets, besides HOME, PATH and the like. */
      readonly env: readonly string[];
      /** Variables whose values are read from files at each start: the path by the name of the variable. */
      readonly envFiles: Readonly<Record<string, string>>;
    }
  | ({ readonly url: string } & KeySource)
);

/** The options with all defaults filled in. The schema below describes each option. */
export interface ResolvedOptions {
  readonly providers: Readonly<Record<string, ProviderOptions>>;
  readonly mcpServers: Readonly<Record<string, McpServerOptions>>;
  readonly tools: Readonly<Record<string, Tool>>;
  readonly retries: number;
  readonly stallMs: number;
  readonly responseBytes: number;
  readonly permissionMs: number;
  readonly toolMs: number;
  readonly toolOutputBytes: number;
  readonly connectMs?: number | undefined;
}

// The pattern of tool names that core accepts in creations.
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const name = z.string().regex(NAME, 'must have only letters, digits, ".", "_" and "-"');
const url = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' });
const key = {
  apiKeyEnv: z.string().min(1).optional(),
  apiKeyFile: z.string().min(1).optional(),
  apiKey: z
    .never('is not supported: name an environment variable in apiKeyEnv or a file in apiKeyFile')
    .optional(),
};
const milliseconds = z.coerce.number().int().min(1).max(86_400_000);
const bytes = z.coerce.number().int().min(1_024).max(1_073_741_824);
const permission = z.enum(['ask', 'allow']).default('ask');

/** Accepts JSON text in place of an object, because flags and environment variables carry only text. */
const orJson = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value, context) => {
    if (typeof value !== 'string') return value;
    try {
      return JSON.parse(value) as unknown;
    } catch {
      context.addIssue('must be an object, or an object written as JSON');
      return z.NEVER;
    }
  }, schema);

const times = { stallMs: milliseconds.optional(), firstTokenMs: milliseconds.optional() };
const server = {
  ...key,
  models: z.array(z.string().min(1)).min(1).optional(),
  providerOptions: z.record(z.string(), z.json()).optional(),
  ...times,
};
const modelObject = z.custom<EmbeddedModel>(
  isEmbeddedModel,
  'must be a model object of the AI SDK 5, 6 or 7, such as google("gemini-2.5-flash")',
);

const provider = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('openai-compatible'), baseUrl: url, ...server }),
  z.strictObject({ type: z.literal('anthropic'), baseUrl: url.optional(), ...server }),
  z.strictObject({
    type: z.literal('embedded'),
    models: z.record(z.string().min(1).max(256), modelObject),
    providerOptions: z.record(z.string(), z.record(z.string(), z.json())).optional(),
    ...times,
  }),
]);

const common = { permission, connectMs: milliseconds.optional() };

const mcpServer = z.union(
  [
    z.strictObject({
      command: z.string().min(1),
      args: z.array(z.string()).default([]),
      cwd: z.string().min(1).optional(),
      env: z.array(z.string().min(1)).default([]),
      envFiles: z.record(z.string().min(1), z.string().min(1)).default({}),
      ...common,
    }),
    z.strictObject({ url, ...key, ...common }),
  ],
  {
    error:
      'must have a command (with args, cwd, env, envFiles) or a url (with apiKeyEnv or apiKeyFile), and optionally permission and connectMs',
  },
);

const isTool = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'inputSchema' in value && 'execute' in value;

const schema = z.strictObject({
  /** The providers, by the name that a Worker's `config.provider` refers to. */
  providers: orJson(z.record(name, provider)),
  /** The tool servers, by the name that precedes the names of their tools, as in `files.read_file`. */
  mcpServers: orJson(z.record(name, mcpServer)).default({}),
  /**
   * Functions of the embedder, created with `tool` of the AI SDK. `needsApproval` decides which calls need permission.
   */
  tools: z
    .record(name, z.custom<Tool>(isTool, 'must be a tool of the AI SDK with an execute function'))
    .default({}),
  /**
   * The most retries of a request that fails before its first token, or whose answer is empty. The pauses between them
   * grow, or are as long as Retry-After says.
   */
  retries: z.coerce.number().int().min(0).max(10).default(2),
  /**
   * The longest time in which a provider sends nothing, in milliseconds, also before the first token. Comments and pings
   * are signs of life: with them alone, the limit is ten times as long, and `runTimeoutMs` of the runtime applies too.
   * After it, the run fails with ENGINE_UNAVAILABLE.
   */
  stallMs: milliseconds.default(120_000),
  /** The size limit of one response of a provider, in bytes. At the limit, the run fails with OUTPUT_TOO_LARGE. */
  responseBytes: bytes.default(67_108_864),
  /** The longest time to wait for a permission, in milliseconds. After it, the call is denied. */
  permissionMs: milliseconds.default(600_000),
  /** The longest time for a tool call, in milliseconds. After it, the call fails. */
  toolMs: milliseconds.default(600_000),
  /** The size limit of the output of a tool call, in bytes. The rest is cut off, with a note that says so. */
  toolOutputBytes: bytes.max(524_288).default(65_536),
  /**
   * The longest time that a creation or a run waits for a tool server that is starting, in milliseconds. After it, the
   * server continues to start in the background. Default: 30,000 for a command, 20,000 for a URL. A creation never waits
   * longer than 25 seconds.
   */
  connectMs: milliseconds.optional(),
});

/** The options as they are given in code, in a file or by flags. */
export type AiSdkOptions = z.input<typeof schema>;

/** Checks the options and fills in the defaults. @throws INVALID_REQUEST an option is missing, unknown or invalid */
export const resolveOptions = (options: unknown): ResolvedOptions => parseOptions(schema, options);
