import test from 'ava';
import { assertKilledCopiesAreWhole } from '../killed-copies.ts';

test('P74: a kill -9 of an export or an import at any moment leaves the source whole, and no part to be seen', (t) =>
  assertKilledCopiesAreWhole(t, [1, 400_000, 1_200_000, 2_400_000], [1, 4_300_000, 5_500_000, 7_000_000]));
