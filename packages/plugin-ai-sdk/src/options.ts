import type { Tool } from 'ai';
import { z } from 'zod';
import { checkedOptions } from './validation.ts';

/** Where a key is read, each time it is needed, so that it can be changed while the runtime runs. */
export interface KeySource {
  /** The name of an environment variable. */
  readonly apiKeyEnv?: string | undefined;
  /** The path of a file that holds nothing else. */
  readonly apiKeyFile?: string | undefined;
}

/** Whom models are asked of. Only the operator names addresses: a Worker that could would send the key anywhere. */
export type ProviderOptions = KeySource &
  (
    | { readonly type: 'openai-compatible'; readonly baseUrl: string }
    /** Without `baseUrl`, Anthropic's own. */
    | { readonly type: 'anthropic'; readonly baseUrl?: string | undefined }
  );

/** A server of the Model Context Protocol (https://modelcontextprotocol.io), and whether its tools need permission. */
export type McpServerOptions = {
  /** `ask` (the default): each call waits for an answer. `allow`: none does. */
  readonly permission: 'ask' | 'allow';
} & (
  | {
      /** A program that speaks over its standard input and output; one process for all Workers. */
      readonly command: string;
      readonly args: readonly string[];
      readonly cwd?: string | undefined;
      /** Names of environment variables that it gets, besides HOME, PATH and the like. */
      readonly env: readonly string[];
    }
  | ({ readonly url: string } & KeySource)
);

/** What the engine needs to know. Every limit has its default beside it. */
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
  readonly connectMs: number;
}

// what creations grant tools by, as core takes it
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const name = z.string().regex(NAME, 'must be letters, digits, ".", "_" and "-"');
const url = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' });
const key = {
  apiKeyEnv: z.string().min(1).optional(),
  apiKeyFile: z.string().min(1).optional(),
  apiKey: z
    .never('is given nowhere: name a variable that has it by apiKeyEnv, or a file by apiKeyFile')
    .optional(),
};
const milliseconds = z.coerce.number().int().min(1).max(86_400_000);
const bytes = z.coerce.number().int().min(1_024).max(1_073_741_824);
const permission = z.enum(['ask', 'allow']).default('ask');

/** Flags and the environment carry text: an object is written as JSON there. */
const orJson = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value, context) => {
    if (typeof value !== 'string') return value;
    try {
      return JSON.parse(value) as unknown;
    } catch {
      context.addIssue('must be an object, or JSON of one');
      return z.NEVER;
    }
  }, schema);

const provider = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('openai-compatible'), baseUrl: url, ...key }),
  z.strictObject({ type: z.literal('anthropic'), baseUrl: url.optional(), ...key }),
]);

const mcpServer = z.union(
  [
    z.strictObject({
      command: z.string().min(1),
      args: z.array(z.string()).default([]),
      cwd: z.string().min(1).optional(),
      env: z.array(z.string().min(1)).default([]),
      permission,
    }),
    z.strictObject({ url, ...key, permission }),
  ],
  {
    error:
      'must have a command (with args, cwd, env) or a url (with apiKeyEnv or apiKeyFile), and may have permission',
  },
);

const isTool = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'inputSchema' in value && 'execute' in value;

const schema = z.strictObject({
  /** By the name that a Worker's config gives. */
  providers: orJson(z.record(name, provider)),
  /** By the name that stands before those of its tools: `files.read_file`. */
  mcpServers: orJson(z.record(name, mcpServer)).default({}),
  /** Functions of the embedder, made by `tool` of the AI SDK; `needsApproval` says which need permission. */
  tools: z
    .record(name, z.custom<Tool>(isTool, 'must be a tool of the AI SDK with an execute function'))
    .default({}),
  /** How often a request is tried again before its first token, with growing pauses or as long as Retry-After says. */
  retries: z.coerce.number().int().min(0).max(10).default(2),
  /** The longest silence of a model, its first token and all retries before it included; ENGINE_UNAVAILABLE. */
  stallMs: milliseconds.default(120_000),
  /** The most that one answer of a provider may be, as sent; OUTPUT_TOO_LARGE. */
  responseBytes: bytes.default(67_108_864),
  /** How long a permission is waited for; then the model is told that none was given. */
  permissionMs: milliseconds.default(600_000),
  /** How long a tool may take; then the model is told so. */
  toolMs: milliseconds.default(600_000),
  /** The most that a model, and the log, gets of what a tool answers; the rest is cut off and said to be. */
  toolOutputBytes: bytes.max(524_288).default(65_536),
  /** How long a tool server may take to connect. */
  connectMs: milliseconds.default(10_000),
});

/** Options from code, a file, or flags. */
export type AiSdkOptions = z.input<typeof schema>;

/** @throws INVALID_REQUEST an option that is missing, does not exist or does not fit */
export const resolveOptions = (options: unknown): ResolvedOptions => checkedOptions(schema, options);
