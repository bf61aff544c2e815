import test from 'ava';
import { literalsIn, slowText, stepsOf } from './regexp-steps.ts';
import { read, sources } from './repository.ts';

const FOLDERS = [
  ...['cli', 'client', 'plugin-ai-sdk', 'plugin-fs-store', 'plugin-ws'].map((name) => `packages/${name}/src`),
  'bench',
  'soak',
];

test('the steps of every regular expression grow no faster than the text', (t) => {
  const found = FOLDERS.flatMap((folder) => sources(folder)).flatMap((file) =>
    literalsIn(read(file)).map((pattern) => ({ file, pattern: String(pattern), text: slowText(pattern) })),
  );
  t.true(found.length > 30, String(found.length));
  t.deepEqual(
    found.filter(({ text }) => text !== null),
    [],
  );
});

test('a slow pattern is found: an open run before something, adjacent runs, nested repetition', (t) => {
  for (const pattern of [
    /\s*\r?\n\s*/g,
    /\uFFFD+$/,
    /\/+$/,
    /^wait\s*(?:=\s*\d+)?\s*$/,
    /^(?:a+)+$/,
    /(?:\w|_)*!/,
    /<!--.*-->/,
    /\s+?x/,
  ])
    t.not(slowText(pattern), null, String(pattern));
  for (const pattern of [
    /\s+/g,
    /^\s*x/,
    /-+(\w?)/g,
    /^\/+$/,
    /(?<=\s)(?=\S)/,
    /\S+/g,
    /[^\P{Cc}\n\t]/gu,
    /^(?:ab|c){1,3}$/,
  ])
    t.is(slowText(pattern), null, String(pattern));
});

test('steps are counted for the first match or for all', (t) => {
  t.is(stepsOf(/b/, 'aab'), 3);
  t.is(stepsOf(/a/g, 'aab'), 4);
  t.deepEqual(literalsIn('const a = /x\\/y[/]/gi;\n// b = /z/;\nf(/q/.test(c / d / e));').map(String), [
    '/x\\/y[/]/gi',
    '/q/',
  ]);
});
