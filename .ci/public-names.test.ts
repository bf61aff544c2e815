import test from 'ava';
import * as core from '../packages/core/src/index.ts';
import { read } from './repository.ts';

/** The names that an entry file exports, types included. */
const namesIn = (source: string): string[] =>
  [...source.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, names = '']) =>
    names
      .split(',')
      .map((name) => name.trim().replace(/^type /, ''))
      .filter((name) => name !== ''),
  );

test('the values that core exports', (t) => {
  t.deepEqual(Object.keys(core).sort(), [
    'DEFAULT_LIMITS',
    'ERROR_CODES',
    'PLUGIN_API',
    'Runtime',
    'RuntimeError',
    'bundleDigest',
    'engine',
    'inputText',
    'memoryStore',
    'silentLogger',
    'systemClock',
    'version',
  ]);
});

test('the entry of core stays small: names that only authors of plugins need are in core/plugin-kit', (t) => {
  const root = namesIn(read('packages/core/src/index.ts'));
  const kit = namesIn(read('packages/core/src/plugin-kit/index.ts'));
  t.true(root.length > 50 && root.length <= 100, `${root.length} names`);
  t.deepEqual(
    root.filter((name) => kit.includes(name)),
    [],
    'each name has one entry',
  );
});
