import test from 'ava';
import { type IdPrefix, mintId, timeOfId } from '../src/id.ts';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** The UUID in an id, as 32 hexadecimal digits. */
const uuidOf = (id: string): string => {
  const [, digits = ''] = id.split('_');
  let value = 0n;
  for (const digit of digits) value = value * 32n + BigInt(ALPHABET.indexOf(digit));
  return value.toString(16).padStart(32, '0');
};

test('an id is a prefix and a UUID of version 7, in 26 digits', (t) => {
  for (const prefix of ['run', 'input', 'part'] satisfies IdPrefix[]) {
    const id = mintId(prefix);
    t.regex(id, new RegExp(`^${prefix}_[0-7][${ALPHABET}]{25}$`));
    t.regex(uuidOf(id), /^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
  }
});

test('ids have the time at which they were made, sort in the order in which they were made, and differ', (t) => {
  const before = Date.now();
  const ids = Array.from({ length: 200_000 }, () => mintId('msg'));
  const after = Date.now();
  t.is(new Set(ids).size, ids.length);
  t.true(ids.every((id, at) => at === 0 || (ids[at - 1] as string) < id));
  for (const id of ids) {
    const time = timeOfId(id) as number;
    if (time < before || time > after) t.fail(`${id} has the time ${time}`);
  }
  t.true(new Set(ids.map(timeOfId)).size > 1);
});

test('each bit of an id that is no time, version or variant takes both values', (t) => {
  const ones = Array.from({ length: 128 }, () => 0);
  let of = 0;
  // ids of many milliseconds, because those of one have some bits in common
  for (let last = 0; of < 64; ) {
    const now = Date.now();
    if (now === last) continue;
    last = now;
    of += 1;
    const bits = BigInt(`0x${uuidOf(mintId('run'))}`)
      .toString(2)
      .padStart(128, '0');
    for (let at = 0; at < 128; at += 1) if (bits[at] === '1') ones[at] = (ones[at] ?? 0) + 1;
  }
  // the first bit of the counter is 0, so that it cannot overflow
  const fixed = new Set([48, 49, 50, 51, 64, 65, 68]);
  for (let at = 48; at < 128; at += 1)
    if (!fixed.has(at)) t.true((ones[at] as number) > 0 && (ones[at] as number) < of, `bit ${at}`);
});
