import { optional, readOptions, wholeNumber } from '@worker-runtime/core/plugin-kit';

export interface WsLimits {
  /** The most subscriptions of one socket, its watch included; else LIMIT_REACHED. Default 1,000. */
  readonly subscriptions?: number;
  /** The longest message of a client, in bytes; a longer one closes the socket with 1009. Default 16 KiB. */
  readonly messageBytes?: number;
  /** The time between pings. A peer that misses two is disconnected. Default 15 s. */
  readonly pingMs?: number;
  /** The time without output after which a subscription sends its position. Default 15 s. */
  readonly bookmarkMs?: number;
  /** The longest time that a client may leave a write unread; then the socket is closed with 1013. Default 60 s. */
  readonly stallMs?: number;
  /** The time that clients have to read the rest and close when the runtime stops or their authority has ended. Default 1.5 s. */
  readonly drainMs?: number;
}

export type ResolvedLimits = { readonly [K in keyof WsLimits]-?: number };

/** @throws INVALID_REQUEST an option is unknown or invalid */
export const resolveLimits = (options: unknown): ResolvedLimits =>
  readOptions<ResolvedLimits>('ws', options, {
    subscriptions: optional(wholeNumber(), 1_000),
    messageBytes: optional(wholeNumber(), 16_384),
    pingMs: optional(wholeNumber(), 15_000),
    bookmarkMs: optional(wholeNumber(), 15_000),
    stallMs: optional(wholeNumber(), 60_000),
    drainMs: optional(wholeNumber(), 1_500),
  });
