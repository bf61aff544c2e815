import { RuntimeError } from '@worker-runtime/core';

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

const DEFAULTS: ResolvedLimits = {
  subscriptions: 1_000,
  messageBytes: 16_384,
  pingMs: 15_000,
  bookmarkMs: 15_000,
  stallMs: 60_000,
  drainMs: 1_500,
};

const MOST = 2_147_483_647;

const refuse = (name: string, message: string): never => {
  throw new RuntimeError('INVALID_REQUEST', `The option ws.${name} ${message}`, {
    details: { option: name, known: Object.keys(DEFAULTS) },
  });
};

const numberOf = (name: string, value: unknown): number => {
  const number = typeof value === 'string' && /^[0-9]{1,10}$/.test(value) ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= 1 && number <= MOST) return number;
  return refuse(name, `must be a whole number from 1 to ${MOST}`);
};

/**
 * Limits from wherever they come: code, flags, a file. Numbers may be digits.
 * @throws INVALID_REQUEST an unknown option (the message names the known ones), or a value that does not fit
 */
export const resolveLimits = (options: Readonly<Record<string, unknown>>): ResolvedLimits => {
  const limits: Record<string, number> = {};
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(DEFAULTS, name))
      return refuse(name, `does not exist; there are ${Object.keys(DEFAULTS).join(', ')}`);
    if (value !== undefined) limits[name] = numberOf(name, value);
  }
  return { ...DEFAULTS, ...limits };
};
