import { list, optional, priceList, readOptions, text, wholeNumber } from '@worker-runtime/core/plugin-kit';
import type { PriceList } from '@worker-runtime/core/views';
import { type AddressOf, addressesBehind } from './access/client-address.ts';
import { parseTokens, readTokens, type Token } from './access/token.ts';

export interface HttpOptions {
  /** The port to listen on; 0 selects a free one. Default 8787. */
  readonly port?: number;
  /** How long the start waits for a port that another program uses, before it fails. Default 0. */
  readonly portWaitMs?: number;
  /** The name or address to listen on. One beyond loopback needs tokens or issuers. Default 127.0.0.1. */
  readonly host?: string;
  /** A JSON file with a list of tokens. Only its owner may have access to it. It is read again when it changes. */
  readonly tokenFile?: string;
  /** Tokens in addition to those of the file, as a list or as JSON text. Without tokens and issuers every caller is an admin. */
  readonly tokens?: readonly Token[] | string;
  /**
   * A JSON file with the issuers whose signed tokens are valid, such as backends. It has their public keys. Only its owner may
   * be able to change it. It is read again when it changes.
   */
  readonly issuerFile?: string;
  /** Further valid names in a Host header, besides loopback and `host`: those of a proxy in front. */
  readonly allowedHosts?: readonly string[];
  /**
   * The addresses of reverse proxies, such as `127.0.0.1` or `10.0.0.0/8`. From them, `X-Forwarded-For` gives the address of a
   * client, for the log. Default: none, and the header is ignored.
   */
  readonly trustedProxies?: readonly string[];
  /** Origins whose pages may call, such as `https://console.example`. Turns on CORS for them. */
  readonly allowedOrigins?: readonly string[];
  /**
   * The folder of a built console (`assets` of `@worker-runtime/console`), which is then served at `/`. Its pages have no token,
   * so the plugin needs a loopback host and no tokens for it. Default: no console.
   */
  readonly console?: string;
  /**
   * The prices of models, as an object or as JSON text, from which the console computes costs. Everyone who may observe can read
   * them. Default: none.
   */
  readonly prices?: PriceList | string;
  /** The largest body of a request, in bytes; else PAYLOAD_TOO_LARGE. Default 1 MiB. */
  readonly bodyBytes?: number;
  /** The largest head of a request, in bytes; else HEADERS_TOO_LARGE. Default 16 KiB. */
  readonly headerBytes?: number;
  /** The time limit for the head of a request, and again for its body; else REQUEST_TIMEOUT. Default 30 s. */
  readonly requestTimeoutMs?: number;
  /** The time after which a connection without a request is closed. Default 75 s. */
  readonly idleTimeoutMs?: number;
  /** The most open connections; else LIMIT_REACHED. At most three quarters of the descriptors of the process, less 64. Default 10,000. */
  readonly connections?: number;
  /** The most bytes of answers that clients have not read yet, all together; else LIMIT_REACHED. Default 256 MiB. */
  readonly totalAnswerBytes?: number;
  /** The most bytes of the bodies of requests in progress, all together; else LIMIT_REACHED. Default 128 MiB. */
  readonly totalBodyBytes?: number;
  /** The time without output after which a stream sends its position. Default 15 s. */
  readonly bookmarkMs?: number;
  /** The time after which a client that reads nothing of its answer is disconnected. Default 60 s. */
  readonly stallMs?: number;
  /** The time that clients have to read the rest of their answers when the runtime stops or their authority has ended. Default 1.5 s. */
  readonly drainMs?: number;
}

export type ResolvedOptions = {
  readonly [K in Exclude<
    keyof HttpOptions,
    'tokenFile' | 'issuerFile' | 'tokens' | 'trustedProxies' | 'console' | 'prices'
  >]-?: HttpOptions[K] & {};
} & {
  readonly tokenFile: string | null;
  readonly issuerFile: string | null;
  readonly console: string | null;
  readonly prices: PriceList | null;
  readonly tokens: readonly Token[];
  /** Made of `trustedProxies`. */
  readonly addressOf: AddressOf;
};

const tokensOf = (value: unknown): readonly Token[] =>
  typeof value === 'string'
    ? parseTokens(value, 'The option http.tokens')
    : readTokens(value, 'The option http.tokens');

const proxies = (value: unknown, refuse: (mismatch: string) => never): AddressOf => {
  try {
    return addressesBehind(list(value, refuse));
  } catch {
    return refuse('must be a list of addresses or ranges of proxies, such as 127.0.0.1 or 10.0.0.0/8');
  }
};

/** @throws INVALID_REQUEST an option is unknown or invalid */
export const resolveOptions = (options: unknown): ResolvedOptions => {
  const { trustedProxies: addressOf, ...others } = readOptions<
    Omit<ResolvedOptions, 'addressOf'> & { readonly trustedProxies: AddressOf }
  >('http', options, {
    port: optional(wholeNumber(0, 65_535), 8_787),
    portWaitMs: optional(wholeNumber(0, 3_600_000), 0),
    host: optional(text, '127.0.0.1'),
    tokenFile: optional(text, null),
    issuerFile: optional(text, null),
    tokens: optional(tokensOf, []),
    allowedHosts: optional(list, []),
    trustedProxies: optional(proxies, addressesBehind([])),
    allowedOrigins: optional(list, []),
    console: optional(text, null),
    prices: optional(priceList, null),
    bodyBytes: optional(wholeNumber(), 1_048_576),
    headerBytes: optional(wholeNumber(), 16_384),
    requestTimeoutMs: optional(wholeNumber(), 30_000),
    idleTimeoutMs: optional(wholeNumber(), 75_000),
    connections: optional(wholeNumber(), 10_000),
    totalAnswerBytes: optional(wholeNumber(), 268_435_456),
    totalBodyBytes: optional(wholeNumber(), 134_217_728),
    bookmarkMs: optional(wholeNumber(), 15_000),
    stallMs: optional(wholeNumber(), 60_000),
    drainMs: optional(wholeNumber(), 1_500),
  });
  return { ...others, addressOf };
};
