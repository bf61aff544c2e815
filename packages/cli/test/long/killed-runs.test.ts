import test from 'ava';
import { assertKilledRunsEndOnce } from '../killed-runs.ts';

test('P54: after a kill at any commit, a run with tools and permissions ends once, as without the kill', (t) =>
  assertKilledRunsEndOnce(t, 100));
