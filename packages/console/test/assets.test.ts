import { readdir, readFile } from 'node:fs/promises';
import test from 'ava';
import { assets } from '../src/index.ts';

const index = await readFile(new URL('index.html', assets), 'utf8');

const sizeOf = async (name: string): Promise<number> =>
  (await readFile(new URL(`${name}.gz`, assets))).length;

/** Returns the compressed size of what the page always loads, and of the largest page that it may load after that. */
const loadedBytes = async (ending: string): Promise<number> => {
  const names = (await readdir(assets)).filter((name) => name.endsWith(ending));
  const isEarly = (name: string): boolean => index.includes(`"./${name}"`);
  const early = await Promise.all(names.filter(isEarly).map(sizeOf));
  const late = await Promise.all(names.filter((name) => !isEarly(name)).map(sizeOf));
  return early.reduce((sum, bytes) => sum + bytes, Math.max(...late));
};

for (const [ending, limit] of [
  ['.js', 180_000],
  ['.css', 15_000],
] as const)
  test(`the files ${ending} of any first page have ${limit} bytes at most, compressed`, async (t) => {
    const bytes = await loadedBytes(ending);
    t.log(`${bytes} bytes`);
    t.true(bytes > 1_000 && bytes <= limit);
  });

test('the page loads no other script, and its policy needs no exception', (t) => {
  t.deepEqual(
    [...index.matchAll(/<script[^>]*>([^<]*)/g)].map(([, text]) => text),
    [''],
  );
  t.notRegex(index, /<style|\son\w+=|https?:/);
});
