import test from 'ava';
import { assertSurvivesPowerLosses } from './power-losses.ts';

test('P9: after a power loss at any step, with the policy commit, every acknowledged event is there', (t) =>
  assertSurvivesPowerLosses(t, 'commit', 40));

test('P9: after a power loss at any step, with the policy interval, the remaining events have no holes', (t) =>
  assertSurvivesPowerLosses(t, 'interval', 40));
