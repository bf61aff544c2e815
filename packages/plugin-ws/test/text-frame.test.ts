import { FrameReader, OPCODE } from '@worker-runtime/test-environment/raw-peer';
import test from 'ava';
import { textFrameOf } from '../src/text-frame.ts';

test('a text of any length is one frame with the right length', (t) => {
  for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 200_000]) {
    const text = 'x'.repeat(Math.max(0, length - 4)) + (length >= 4 ? '🙂' : 'x'.repeat(Math.min(length, 3)));
    const frames = new FrameReader().push(textFrameOf(text));
    t.is(frames.length, 1);
    t.is(frames[0]?.opcode, OPCODE.text);
    t.true(frames[0]?.isFinal);
    t.is(frames[0]?.payload.toString(), text);
  }
});
