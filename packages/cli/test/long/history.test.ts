import test from 'ava';
import { assertKilledArchivingKeepsHistory } from '../killed-histories.ts';

test('P85: a kill -9 at any moment leaves each event in the runtime or in a whole file that the runtime names', (t) =>
  assertKilledArchivingKeepsHistory(t, 10, [1, 3, 5, 8]));
