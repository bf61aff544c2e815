import test from 'ava';
import fc from 'fast-check';
import { boundedOutput, boundedText } from '../src/plugin-kit/bounded-output.ts';

const keptIn = (text: string, maxBytes: number): string =>
  boundedText(text, maxBytes).text.split('\n[cut: ')[0] ?? '';

test('P23: a text is cut to its limit in bytes, and no character is cut in two', (t) => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀', '\ufffd'), maxLength: 20 }),
      fc.integer({ min: 0, max: 40 }),
      (text, maxBytes) => {
        const { text: shown, truncated } = boundedText(text, maxBytes);
        const size = Buffer.byteLength(text);
        if (size <= maxBytes) return void t.is(shown, text);
        const kept = shown.slice(0, shown.lastIndexOf('\n[cut: '));
        t.true(truncated);
        t.true(text.startsWith(kept), 'nothing is replaced');
        const next = Array.from(text.slice(kept.length))[0] ?? '';
        t.true(
          Buffer.byteLength(kept) <= maxBytes && Buffer.byteLength(kept + next) > maxBytes,
          'nothing fits behind it',
        );
      },
    ),
    { seed: 4_711, numRuns: 2_000 },
  );
});

// A pattern that looks for the end of each run of replacement characters takes minutes for this text.
test('P22: binary data that was read as text is cut in linear time', (t) => {
  const text = `${'\ufffd'.repeat(1_000_000)}x`.repeat(2);
  t.is(keptIn(text, 3_500_000).length, 1_000_001 + Math.floor((3_500_000 - 3_000_001) / 3));
  const { output, truncated } = boundedOutput({ text }, 1_000_000);
  t.true(truncated);
  t.is(typeof output, 'string');
});
