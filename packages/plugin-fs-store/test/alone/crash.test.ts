import test from 'ava';
import { assertSurvivesKills } from '../crash-rounds.ts';

for (const policy of ['commit', 'interval'] as const)
  test(`P9: 2 kills at full speed lose nothing acknowledged, with the policy ${policy}`, (t) =>
    assertSurvivesKills(t, policy, 2));
