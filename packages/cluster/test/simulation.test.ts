import test from 'ava';
import { assertWorldsHold } from './simulation.ts';

test('P44: in 60 hostile worlds no two hosts serve one Runtime, and none stays without an owner', (t) =>
  assertWorldsHold(t, 60));
