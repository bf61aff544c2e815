import test from 'ava';
import { crashRounds } from './crash-rounds.ts';
import { seedFrom } from './seed.ts';

const ROUNDS = Number(process.env.CRASH_ROUNDS ?? 8);
const seed = seedFrom(process.env.CRASH_SEED);

for (const policy of ['commit', 'interval'] as const) {
  test(`P9: ${ROUNDS / 2} kills at full speed lose nothing acknowledged, with the policy ${policy}`, async (t) => {
    t.timeout(30_000 + ROUNDS * 10_000);
    t.log(`seed ${seed}`);
    const acknowledged = await crashRounds(Math.ceil(ROUNDS / 2), policy, seed);
    t.log(`${acknowledged} acknowledged lines`);
    t.true(acknowledged > 0);
  });
}
