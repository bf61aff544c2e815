import test from 'ava';
import { assertCallIsNotRepeated, assertKilledRunsEndOnce } from './killed-runs.ts';

test('P54: after a kill at a commit, a run with tools and permissions ends once, as without the kill', (t) =>
  assertKilledRunsEndOnce(t, 3));

test('P54: a call that is being made when the server is killed is not made again', assertCallIsNotRepeated);
