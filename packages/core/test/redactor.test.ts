import test from 'ava';
import fc from 'fast-check';
import { Redactor } from '../src/plugin-kit/redactor.ts';

const redactor = (words: Readonly<Record<string, string>>): Redactor => {
  const made = new Redactor();
  for (const [text, word] of Object.entries(words)) made.add(text, word);
  return made;
};

/** Redacts a text that arrives in pieces, and returns the whole result. */
const redactPieces = (by: Redactor, pieces: readonly string[]): string => {
  let held = '';
  let all = '';
  for (const piece of pieces) {
    held += piece;
    const end = by.settled(held);
    all += by.text(held.slice(0, end));
    held = held.slice(end);
  }
  return all + by.text(held);
};

test('P19: each secret text is replaced by its word, the longest first, with any characters', (t) => {
  const by = redactor({ '/srv/a': '[a]', '/srv/a/b': '[b]', 'k.y+$1': '[secret]', '': 'nothing' });
  t.is(by.text('/srv/a/b/c and /srv/a/c, k.y+$1 but not kzy+$1'), '[b]/c and [a]/c, [secret] but not kzy+$1');
  t.deepEqual(by.json({ 'k.y+$1': ['/srv/a', 1, null, true], x: { y: 'k.y+$1' } }), {
    '[secret]': ['[a]', 1, null, true],
    x: { y: '[secret]' },
  });
  t.is(new Redactor().text('as it is'), 'as it is');
  t.is(new Redactor().settled('as it is'), 8);
});

test('P19: a text in pieces is redacted like the whole text, and never shows part of a secret', (t) => {
  const letters = fc.constantFrom('a', 'b', 'c');
  const text = (least: number, most: number) =>
    fc.array(letters, { minLength: least, maxLength: most }).map((all) => all.join(''));
  fc.assert(
    fc.property(
      fc.array(text(2, 5), { minLength: 1, maxLength: 3 }),
      fc.array(text(0, 6), { maxLength: 8 }),
      (secrets, pieces) => {
        const by = redactor(Object.fromEntries(secrets.map((secret) => [secret, '#'])));
        const whole = redactPieces(by, pieces);
        t.is(whole, by.text(pieces.join('')));
        // The result for each prefix of the pieces is a prefix of the whole result.
        for (let count = 0; count <= pieces.length; count += 1) {
          const prefix = pieces.slice(0, count).join('');
          t.true(whole.startsWith(by.text(prefix.slice(0, by.settled(prefix)))), prefix);
        }
        for (const secret of secrets) t.false(whole.includes(secret), `${pieces.join('·')}: ${whole}`);
      },
    ),
    { seed: 4_711, numRuns: 2_000 },
  );
});
