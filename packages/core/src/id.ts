import { randomFillSync } from 'node:crypto';
import { V7Generator } from 'uuidv7';

export type IdPrefix = 'runtime' | 'worker' | 'run' | 'input' | 'msg' | 'part' | 'request' | 'log' | 'err';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** All pairs of digits: half as many strings are concatenated for an id. */
const PAIRS = Array.from({ length: 1_024 }, (_, value) => `${ALPHABET[value >> 5]}${ALPHABET[value & 31]}`);

/** Encodes 16 bytes as 26 digits of 5 bits, with two zero bits in front. */
const base32 = (bytes: Uint8Array): string => {
  let digits = '';
  let value = 0;
  let bits = 2;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    if (bits < 10) continue;
    bits -= 10;
    digits += PAIRS[(value >> bits) & 1_023];
    value &= (1 << bits) - 1;
  }
  return digits;
};

const random = new Uint32Array(1_024);
let unused = 0;

/** Takes random numbers from a buffer: asking the system for each id's four numbers would double the cost of an id. */
const nextUint32 = (): number => {
  if (unused === 0) {
    randomFillSync(random);
    unused = random.length;
  }
  unused -= 1;
  return random[unused] as number;
};

const generator = new V7Generator({ nextUint32 });

/**
 * Returns a new TypeID (https://github.com/jetify-com/typeid): a prefix and a UUIDv7 in Crockford's base32, such as
 * `run_01jf8…`. Ids of one process sort in the order in which they were made.
 */
export const mintId = (prefix: IdPrefix): string => `${prefix}_${base32(generator.generate().bytes)}`;

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
