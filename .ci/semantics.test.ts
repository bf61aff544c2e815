import { dirname, join } from 'node:path';
import test from 'ava';
import { read, sources, workspaces } from './repository.ts';

/** The numbers of promises in the titles of a source: `P5: …`, `P5, P6: …`. */
const promisesIn = (source: string): string[] =>
  [...source.matchAll(/['"`]((?:P\d+)(?:, P\d+)*): /g)].flatMap(([, numbers]) => (numbers ?? '').split(', '));

const proven = new Set(
  workspaces()
    .filter(({ folder }) => /^(packages|examples)\//.test(folder))
    .flatMap(({ folder }) => [...sources(`${folder}/test`), ...sources(`${folder}/src/testing`)])
    .flatMap((file) => promisesIn(read(file))),
);

const page = 'docs/semantics.md';
const promises = read(page)
  .split(/^(?=- \*\*P\d+\*\*|## )/m)
  .filter((text) => text.startsWith('- **P'))
  .map((text) => ({
    number: /P\d+/.exec(text)?.[0] ?? '',
    proofs: [...text.matchAll(/\]\((\S+\.ts)\)/g)].map(([, link]) => join(dirname(page), link ?? '')),
  }));

test('the page has each promise once, and each number in a title is a promise', (t) => {
  const numbers = promises.map(({ number }) => number);
  t.deepEqual(numbers.toSorted(), [...new Set(numbers)].toSorted());
  t.deepEqual([...proven].toSorted(), numbers.toSorted());
});

test('each promise links to tests with its number', (t) => {
  for (const { number, proofs } of promises) {
    const tests = proofs.filter((file) => /\/(test|testing)\//.test(file));
    t.true(tests.length > 0, number);
    for (const file of tests) t.true(promisesIn(read(file)).includes(number), `${number}: ${file}`);
  }
});

test('each promise links to a test that every run of npm test includes', (t) => {
  for (const { number, proofs } of promises)
    t.true(
      proofs.some((file) => /\/(test|testing)\//.test(file) && !file.includes('/test/long/')),
      number,
    );
});

test('numbers are read from titles only', (t) => {
  t.deepEqual(promisesIn("test('P5, P6: all of it', () => {}); // 'P7' as such"), ['P5', 'P6']);
});
