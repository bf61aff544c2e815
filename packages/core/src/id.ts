import { randomFillSync } from 'node:crypto';

export type IdPrefix = 'runtime' | 'worker' | 'run' | 'input' | 'msg' | 'part' | 'request' | 'log' | 'err';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** All pairs of digits, each of 10 bits: half as many strings are concatenated for an id. */
const PAIRS = Array.from({ length: 1_024 }, (_, value) => `${ALPHABET[value >> 5]}${ALPHABET[value & 31]}`);

/** Encodes 10 bits of a number of 32 bits, those from `shift` on. */
const pairOf = (value: number, shift: number): string => PAIRS[(value >>> shift) & 1_023] as string;

const random = new Uint32Array(1_024);
let unused = 0;

/** Takes random numbers from a buffer: asking the system for each id's number would double the cost of an id. */
const nextUint32 = (): number => {
  if (unused === 0) {
    randomFillSync(random);
    unused = random.length;
  }
  unused -= 1;
  return random[unused] as number;
};

const VERSION = 7;
const VARIANT = 2;
/** A clock that was set back by more than this begins again, and its ids sort before earlier ones. */
const ROLLBACK_MS = 10_000;

/** The time of the last id. */
let timeMs = 0;
/** The first 14 digits of the ids of this time: the time, the version, the variant, and 14 random bits. */
let common = '';
/** The next 30 bits, which increase with each id of this time. */
let counter = 0;

const begin = (nowMs: number): void => {
  timeMs = nowMs;
  let time = '';
  for (let rest = nowMs, pair = 0; pair < 5; pair += 1) {
    time = `${PAIRS[rest % 1_024]}${time}`;
    rest = Math.floor(rest / 1_024);
  }
  const seed = nextUint32();
  const named = (VERSION << 16) | ((seed >>> 20) << 4) | (VARIANT << 2) | (seed & 3);
  common = `${time}${pairOf(named, 10)}${pairOf(named, 0)}`;
  // the highest bit is 0, so half of the numbers are left
  counter = nextUint32() >>> 3;
};

/**
 * Returns a new TypeID (https://github.com/jetify-com/typeid): a prefix and a UUIDv7 (RFC 9562) in Crockford's base32, such as
 * `run_01jf8…`. Ids of one process sort in the order in which they were made. The last 30 bits are random.
 */
export const mintId = (prefix: IdPrefix): string => {
  const nowMs = Date.now();
  if (nowMs > timeMs || nowMs < timeMs - ROLLBACK_MS) begin(nowMs);
  else counter += 1;
  const last = nextUint32();
  return `${prefix}_${common}${pairOf(counter, 20)}${pairOf(counter, 10)}${pairOf(counter, 0)}${pairOf(last, 22)}${pairOf(last, 12)}${pairOf(last, 2)}`;
};

const ID_PATTERN = /^[a-z]+_([0-7][0-9a-hjkmnp-tv-z]{25})$/;
/** The digits that have the time of a UUIDv7, after two zero bits. */
const TIME_DIGITS = 10;

/** Returns the time at which an id was made, in milliseconds since the epoch; null if `mintId` did not make it. */
export const timeOfId = (id: string): number | null => {
  const [, digits] = ID_PATTERN.exec(id) ?? [];
  if (digits === undefined) return null;
  let time = 0;
  for (let at = 0; at < TIME_DIGITS; at += 1) time = time * 32 + ALPHABET.indexOf(digits.charAt(at));
  return time;
};

/** The ids that a caller may choose for a Worker. */
export const WORKER_ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** The digest that names a bundle or a file: `sha256-` and 64 hex digits. */
export const DIGEST_PATTERN = /^sha256-[0-9a-f]{64}$/;
