import test from 'ava';
import { read, sources, workspaces } from './repository.ts';

/** The numbers in the titles of tests, in `test` folders and in the contract kits: `P5: …`, `P5, P6: …`. */
const promisesIn = (source: string): string[] =>
  [...source.matchAll(/['"`]((?:P\d+)(?:, P\d+)*): /g)].flatMap(([, numbers]) => (numbers ?? '').split(', '));

const proven = new Set(
  workspaces()
    .filter(({ folder }) => folder.startsWith('packages/'))
    .flatMap(({ folder }) => [...sources(`${folder}/test`), ...sources(`${folder}/src/testing`)])
    .flatMap((file) => promisesIn(read(file))),
);

test('every promise has a test of its number, or says what is missing', (t) => {
  const page = read('docs/promises.md')
    .split(/^(?=- \*\*P\d+\*\*)/m)
    .slice(1);
  const promises = page.map((text) => ({
    number: /P\d+/.exec(text)?.[0] ?? '',
    isOpen: text.includes('*Not yet whole:*'),
  }));
  t.deepEqual(
    promises.map(({ number }) => number),
    Array.from({ length: 25 }, (_, at) => `P${at + 1}`),
  );
  t.deepEqual(
    promises.filter(({ number, isOpen }) => !isOpen && !proven.has(number)).map(({ number }) => number),
    [],
  );
});

test('no test proves a promise that is not one', (t) => {
  t.deepEqual(
    [...proven].filter((number) => Number(number.slice(1)) < 1 || Number(number.slice(1)) > 25),
    [],
  );
});

test('numbers are read from titles, and from nothing else', (t) => {
  t.deepEqual(promisesIn("test('P5, P6: all of it', () => {}); // 'P7' as such"), ['P5', 'P6']);
});
