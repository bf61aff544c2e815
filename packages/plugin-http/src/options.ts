import { list, optional, readOptions, text, wholeNumber } from '@worker-runtime/core';
import { parseTokens, readTokens, type Token } from './access/token.ts';

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

const tokensOf = (value: unknown): readonly Token[] =>
  typeof value === 'string'
    ? parseTokens(value, 'The option http.tokens')
    : readTokens(value, 'The option http.tokens');

/** @throws INVALID_REQUEST an option that does not exist or does not fit */
export const resolveOptions = (options: unknown): ResolvedOptions =>
  readOptions<ResolvedOptions>('http', options, {
    port: optional(wholeNumber(0, 65_535), 8_787),
    host: optional(text, '127.0.0.1'),
    tokenFile: optional(text, null),
    tokens: optional(tokensOf, []),
    allowedHosts: optional(list, []),
    allowedOrigins: optional(list, []),
    bodyBytes: optional(wholeNumber(), 1_048_576),
    headerBytes: optional(wholeNumber(), 16_384),
    requestTimeoutMs: optional(wholeNumber(), 30_000),
    idleTimeoutMs: optional(wholeNumber(), 75_000),
    connections: optional(wholeNumber(), 10_000),
    bookmarkMs: optional(wholeNumber(), 15_000),
    stallMs: optional(wholeNumber(), 60_000),
    drainMs: optional(wholeNumber(), 1_500),
  });
