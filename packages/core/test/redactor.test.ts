import test from 'ava';
import fc from 'fast-check';
import { RedactedOutputs } from '../src/plugin-kit/redacted-outputs.ts';
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

/** Encodes a text as JSON strings do, in the spellings of several encoders. */
const ENCODERS: Readonly<Record<string, (text: string) => string>> = {
  'JSON.stringify': (text) => JSON.stringify(text),
  'ASCII only': (text) =>
    JSON.stringify(text).replace(
      /[\u0080-\uffff]/g,
      (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  'escaped slashes': (text) => JSON.stringify(text).replaceAll('/', '\\/'),
  'JSON in JSON': (text) => JSON.stringify(JSON.stringify({ text })),
  none: (text) => text,
};

test('P19: a secret is found in JSON, also with quotes, backslashes, line breaks and letters beyond ASCII', (t) => {
  const secrets = [
    'first"quoted\\secret-4711',
    '-----BEGIN KEY-----\nAb/4711+c==\n-----END KEY-----',
    'pässwörd-\u2028-4711-\u0001\t',
    '{"private_key":"-----BEGIN\\nx4711"}',
    "it's<4711>&`more`",
  ];
  for (const secret of secrets)
    for (const [name, encode] of Object.entries(ENCODERS)) {
      const by = redactor({ [secret]: '[secret]' });
      const shown = `before ${encode(secret)} after`;
      t.notRegex(by.text(shown), /4711/, `${name}: ${secret}`);
      t.regex(by.text(shown), /^before .*\[secret\].* after$/, `${name}: ${secret}`);
      for (const size of [1, 3, 7]) {
        const pieces = shown.match(new RegExp(`.{1,${size}}`, 'gs')) ?? [];
        t.is(redactPieces(by, pieces), by.text(shown), `${name}, in pieces of ${size}: ${secret}`);
      }
      t.is(by.stringify({ [secret]: [secret, 1, undefined] }), '{"[secret]":["[secret]",1,null]}');
    }
});

test('P19: a secret in the text of a message is found if reasoning comes between its parts', (t) => {
  const outputs = new RedactedOutputs(redactor({ 'sk-live-4711': '[secret]' }));
  const seen = [
    ...outputs.of([
      { type: 'text', text: 'It is sk-li' },
      { type: 'reasoning', text: 'Hm. sk-' },
      { type: 'text', text: 've-4711, or sk' },
      { type: 'reasoning', text: 'live-4711' },
      { type: 'message' },
    ]),
    ...outputs.rest(),
  ];
  const joined = (type: string): string =>
    seen.flatMap((output) => (output.type === type && 'text' in output ? [output.text] : [])).join('');
  t.is(joined('text'), 'It is [secret], or sk');
  t.is(joined('reasoning'), 'Hm. [secret]');
  t.deepEqual(seen.at(-1), { type: 'message' });
});
