/** The tables of options and limits in pages, compared with the code that reads them. */
import test from 'ava';
import { readConfig } from '../packages/backend/src/config.ts';
import { DEFAULT_LIMITS } from '../packages/core/src/contracts/limits.ts';
import { RuntimeError } from '../packages/core/src/contracts/runtime-error.ts';
import { plugin as fsStore } from '../packages/plugin-fs-store/src/plugin.ts';
import { settingsOf as fsStoreSettings } from '../packages/plugin-fs-store/src/store/store-settings.ts';
import { plugin as http } from '../packages/plugin-http/src/index.ts';
import { resolveOptions as httpOptions } from '../packages/plugin-http/src/options.ts';
import { plugin as postgresStore } from '../packages/plugin-postgres-store/src/index.ts';
import { settingsOf as postgresSettings } from '../packages/plugin-postgres-store/src/store-settings.ts';
import { plugin as quota } from '../packages/plugin-quota/src/index.ts';
import { plugin as ws } from '../packages/plugin-ws/src/index.ts';
import { resolveLimits as wsLimits } from '../packages/plugin-ws/src/options.ts';
import { read } from './repository.ts';

const MEBIBYTE = 1_048_576;
const KIBIBYTE = 1_024;

/** Reads the number at the beginning of a cell: `1.5 MiB`, `10,000, at most …`. Null if the cell begins with none. */
const numberIn = (cell: string): number | null => {
  const [, digits, unit] = /^([\d,.]+)(?: (MiB|KiB))?(?![\w.])/.exec(cell.trim()) ?? [];
  if (digits === undefined) return null;
  return (
    Number(digits.replace(/,(?=\d{3})/g, '').replace(/,$/, '')) *
    (unit === 'MiB' ? MEBIBYTE : unit === 'KiB' ? KIBIBYTE : 1)
  );
};

/** The numbers of the tables whose first column has the given title, by the names before them. */
const rowsOf = (page: string, title: string): Map<string, number | null> => {
  const rows = new Map<string, number | null>();
  const tables = page.matchAll(new RegExp(`^\\| ${title} \\|.*\\n\\| ---.*\\n((?:\\|.*\\n)*)`, 'gm'));
  for (const line of [...tables].flatMap(([, body = '']) => body.split('\n'))) {
    const [, first = '', ...cells] = line.split('|');
    const names = [...first.matchAll(/`([\w.-]+)`/g)].map(([, name = '']) => name);
    const values = (cells[0] ?? '').split(/,\s+(?=\d)/);
    for (const [at, name] of names.entries())
      rows.set(name, numberIn(values[names.length > 1 ? at : 0] ?? ''));
  }
  return rows;
};

type MakePlugin = (options: Readonly<Record<string, unknown>>) => unknown;

/** The names that a plugin lists when it refuses an option. */
const knownTo = (make: MakePlugin): readonly string[] => {
  try {
    make({ '?': true });
  } catch (error) {
    if (error instanceof RuntimeError) return error.details.known as readonly string[];
  }
  return [];
};

interface Documented {
  readonly make: MakePlugin;
  /** The values without options. */
  readonly defaults: object;
  /** Options in code only, which a flag cannot have. */
  readonly inCode?: readonly string[];
  /** Options that the text below the table describes. */
  readonly inText?: readonly string[];
}

const PLUGINS: Readonly<Record<string, Documented>> = {
  'plugin-http': { make: http, defaults: httpOptions({}) },
  'plugin-ws': { make: ws, defaults: wsLimits({}), inCode: ['on'] },
  'plugin-fs-store': { make: fsStore, defaults: fsStoreSettings({ dir: 'x' }), inText: ['intervalMs'] },
  'plugin-postgres-store': {
    make: postgresStore,
    defaults: postgresSettings({ url: 'postgres://a@127.0.0.1/x' }),
  },
  'plugin-quota': { make: quota, defaults: {} },
};

for (const [name, { make, defaults, inCode = [], inText = [] }] of Object.entries(PLUGINS))
  test(`the README of ${name} has each option with its default, and no other`, (t) => {
    const page = read(`packages/${name}/README.md`);
    const rows = rowsOf(page, 'option');
    const known = knownTo(make);
    t.true(known.length > 0);
    t.deepEqual(
      [...rows.keys()].toSorted(),
      [...known.filter((one) => !inText.includes(one)), ...inCode].toSorted(),
    );
    for (const option of inText) t.true(page.includes(`\`${option}\``), option);
    for (const [option, value] of Object.entries(defaults))
      if (typeof value === 'number') t.is(rows.get(option), value, option);
  });

test('docs/limits.md has limits that exist, with their defaults', (t) => {
  const rows = rowsOf(read('docs/limits.md'), 'limit');
  const defaults = new Map<string, unknown>([
    ...Object.entries(DEFAULT_LIMITS),
    ...Object.entries(httpOptions({})).map(([name, value]) => [`http.${name}`, value] as const),
    ...Object.entries(PLUGINS['plugin-fs-store']?.defaults ?? {}).map(
      ([name, value]) => [`fs-store.${name}`, value] as const,
    ),
    ...Object.entries(PLUGINS['plugin-postgres-store']?.defaults ?? {}).map(
      ([name, value]) => [`postgres-store.${name}`, value] as const,
    ),
    ['auditBytes', readConfig({}, '/', { HOME: '/' }).auditBytes],
  ]);
  t.true(rows.size > 15);
  for (const [name, value] of rows) t.is(value, defaults.get(name) as number, name);
});

test('names and numbers are read from tables', (t) => {
  const page =
    '| option | default | |\n| --- | --- | --- |\n| `a`, `b` | 15,000, 1.5 KiB | x |\n| `c` | `commit` | `d` |\n| `e` | 10,000, at most `f` | |\n';
  t.deepEqual(
    [...rowsOf(page, 'option')],
    [
      ['a', 15_000],
      ['b', 1_536],
      ['c', null],
      ['e', 10_000],
    ],
  );
});
