import { optional, readOptions, wholeNumber } from '@worker-runtime/core';

export interface WsLimits {
  /** Workers that one socket observes, its watch counted as one; LIMIT_REACHED. Default 1,000. */
  readonly subscriptions?: number;
  /** The longest message of a client; closes with 1009. Default 16 KiB. */
  readonly messageBytes?: number;
  /** How often a peer is asked whether it is there; it is dropped when it missed two. Default 15 s. */
  readonly pingMs?: number;
  /** How long a subscription may be quiet before it says where it is. Default 15 s. */
  readonly bookmarkMs?: number;
  /** How long a client may leave lying what was written; closes with 1013. Default 60 s. */
  readonly stallMs?: number;
  /** How long clients have, when the runtime stops, to take what is due and leave; then they are cut. Default 1.5 s. */
  readonly drainMs?: number;
}

export type ResolvedLimits = { readonly [K in keyof WsLimits]-?: number };

/** @throws INVALID_REQUEST an option that does not exist or does not fit */
export const resolveLimits = (options: unknown): ResolvedLimits =>
  readOptions<ResolvedLimits>('ws', options, {
    subscriptions: optional(wholeNumber(), 1_000),
    messageBytes: optional(wholeNumber(), 16_384),
    pingMs: optional(wholeNumber(), 15_000),
    bookmarkMs: optional(wholeNumber(), 15_000),
    stallMs: optional(wholeNumber(), 60_000),
    drainMs: optional(wholeNumber(), 1_500),
  });
