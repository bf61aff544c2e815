import test from 'ava';
import { assertWorldsHold } from '../simulation.ts';

test('P44: in 10,000 hostile worlds no two hosts serve one Runtime, and none stays without an owner', (t) =>
  assertWorldsHold(t, 10_000));
