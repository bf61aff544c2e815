import test from 'ava';
import { assertKilledForksAreWholeOrNothing } from '../killed-forks.ts';

test('P86: a server that is killed at any moment of a fork has the whole fork or nothing of it', (t) =>
  assertKilledForksAreWholeOrNothing(t, [0.1, 0.4, 0.7, 0.95]));
