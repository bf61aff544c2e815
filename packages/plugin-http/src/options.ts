import { RuntimeError } from '@worker-runtime/core';
import { parseTokens, readTokens, type Token } from './token.ts';

export interface HttpOptions {
  /** 0 for any free port. Default 8787. */
  readonly port?: number;
  /** A name or address of this machine; one beyond loopback needs tokens. Default 127.0.0.1. */
  readonly host?: string;
  /** A JSON file with a list of tokens, which nobody but its owner can read. Read once, at the start. */
  readonly tokenFile?: string;
  /** Tokens, besides those of the file; as text, a list in JSON. Without any, whoever reaches the port is an admin. */
  readonly tokens?: readonly Token[] | string;
  /** Names besides loopback and `host` that a Host header may say: those of a proxy in front. */
  readonly allowedHosts?: readonly string[];
  /** Origins whose pages may call, `https://console.example`. Setting it turns CORS on for them. */
  readonly allowedOrigins?: readonly string[];
  /** The body of a request; PAYLOAD_TOO_LARGE. Default 1 MiB. */
  readonly bodyBytes?: number;
  /** The head of a request; HEADERS_TOO_LARGE. Default 16 KiB. */
  readonly headerBytes?: number;
  /** In which a request must have arrived, head and body each; REQUEST_TIMEOUT. Default 30 s. */
  readonly requestTimeoutMs?: number;
  /** After which a connection without a request is closed. Default 75 s. */
  readonly idleTimeoutMs?: number;
  /** Open at once; LIMIT_REACHED. Default 10,000. */
  readonly connections?: number;
  /** How long a stream may be quiet before it says where it is. Default 15 s. */
  readonly bookmarkMs?: number;
  /** How long a client of a stream may read nothing of what was sent, before it is cut. Default 60 s. */
  readonly stallMs?: number;
  /** How long clients have, when the runtime stops, to take what is under way, and then are cut. Default 1.5 s. */
  readonly drainMs?: number;
}

export type ResolvedOptions = {
  readonly [K in Exclude<keyof HttpOptions, 'tokenFile' | 'tokens'>]-?: HttpOptions[K] & {};
} & { readonly tokenFile: string | null; readonly tokens: readonly Token[] };

const DEFAULT_OPTIONS: ResolvedOptions = {
  port: 8_787,
  host: '127.0.0.1',
  tokenFile: null,
  tokens: [],
  allowedHosts: [],
  allowedOrigins: [],
  bodyBytes: 1_048_576,
  headerBytes: 16_384,
  requestTimeoutMs: 30_000,
  idleTimeoutMs: 75_000,
  connections: 10_000,
  bookmarkMs: 15_000,
  stallMs: 60_000,
  drainMs: 1_500,
};

const refuse = (name: string, message: string): never => {
  throw new RuntimeError('INVALID_REQUEST', `The option http.${name} ${message}`, {
    details: { option: name, known: Object.keys(DEFAULT_OPTIONS) },
  });
};

const numberOf = (name: string, value: unknown): number => {
  const number = typeof value === 'string' && /^[0-9]{1,10}$/.test(value) ? Number(value) : value;
  const [least, most] = name === 'port' ? [0, 65_535] : [1, 2_147_483_647];
  if (typeof number === 'number' && Number.isInteger(number) && number >= least && number <= most)
    return number;
  return refuse(name, `must be a whole number from ${least} to ${most}`);
};

const textOf = (name: string, value: unknown): string =>
  typeof value === 'string' && value !== '' ? value : refuse(name, 'must be a text');

const listOf = (name: string, value: unknown): readonly string[] => {
  const list = typeof value === 'string' ? value.split(',').map((text) => text.trim()) : value;
  return Array.isArray(list)
    ? list.map((item) => textOf(name, item))
    : refuse(name, 'must be a list of texts');
};

const READ: { readonly [K in keyof ResolvedOptions]: (value: unknown) => ResolvedOptions[K] } = {
  port: (value) => numberOf('port', value),
  host: (value) => textOf('host', value),
  tokenFile: (value) => textOf('tokenFile', value),
  tokens: (value) =>
    typeof value === 'string'
      ? parseTokens(value, 'The option http.tokens')
      : readTokens(value, 'The option http.tokens'),
  allowedHosts: (value) => listOf('allowedHosts', value),
  allowedOrigins: (value) => listOf('allowedOrigins', value),
  bodyBytes: (value) => numberOf('bodyBytes', value),
  headerBytes: (value) => numberOf('headerBytes', value),
  requestTimeoutMs: (value) => numberOf('requestTimeoutMs', value),
  idleTimeoutMs: (value) => numberOf('idleTimeoutMs', value),
  connections: (value) => numberOf('connections', value),
  bookmarkMs: (value) => numberOf('bookmarkMs', value),
  stallMs: (value) => numberOf('stallMs', value),
  drainMs: (value) => numberOf('drainMs', value),
};

const isOption = (name: string): name is keyof ResolvedOptions => Object.hasOwn(READ, name);

/**
 * Options from wherever they come: code, flags, a file. Numbers may be digits, lists may be separated by commas.
 * @throws INVALID_REQUEST an unknown option (the message names the known ones), or a value that does not fit
 */
export const resolveOptions = (options: Readonly<Record<string, unknown>>): ResolvedOptions => {
  const read: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (!isOption(name)) {
      return refuse(name, `does not exist; there are ${Object.keys(DEFAULT_OPTIONS).join(', ')}`);
    }
    if (value !== undefined) read[name] = READ[name](value);
  }
  return { ...DEFAULT_OPTIONS, ...read };
};
