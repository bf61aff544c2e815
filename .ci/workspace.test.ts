import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { refusal, ruleFor, trespass } from './import-rules.ts';
import { declared, type Manifest, read, readJson, root, sources, workspaces } from './repository.ts';
import { hasCollectiveName, importsOf, relativePathsIn, usesAny } from './source-text.ts';

const all = workspaces();
const packages = all.filter(({ folder }) => folder.startsWith('packages/'));
const own = new Map(all.map(({ manifest }) => [manifest.name, manifest]));

const isExact = (version: string): boolean => /^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version);
const refusals = (folder: string, file: string, source: string, dependencies: readonly string[] = []) =>
  importsOf(source).flatMap((found) => refusal(folder, file, found, dependencies) ?? []);

test('packages import only what their rules allow', (t) => {
  const found = packages.flatMap(({ folder, manifest }) =>
    sources(`${folder}/src`).flatMap((file) =>
      refusals(folder, file, read(file), Object.keys(manifest.dependencies ?? {})),
    ),
  );
  t.deepEqual(found, []);
});

test('the workspaces that tests share import only what their rules allow', (t) => {
  const found = all
    .filter(({ folder }) => folder.startsWith('testing/'))
    .flatMap(({ folder, manifest }) =>
      sources(folder).flatMap((file) =>
        refusals(folder, file, read(file), Object.keys(manifest.devDependencies ?? {})),
      ),
    );
  t.deepEqual(found, []);
});

test('the manifest of a workspace names the packages of this repository that its files import', (t) => {
  const found = all.flatMap(({ folder, manifest }) => {
    if (folder === '.') return [];
    const named = new Set([manifest.name, ...declared(manifest).map(([name]) => name)]);
    return sources(folder).flatMap((file) =>
      importsOf(read(file)).flatMap(({ specifier = '' }) => {
        const [imported] = /^@worker-runtime\/[^/]+/.exec(specifier) ?? [];
        return imported === undefined || named.has(imported) ? [] : [`${file}: ${imported}`];
      }),
    );
  });
  t.deepEqual(found, []);
});

const trespasses = (file: string, source: string) =>
  relativePathsIn(source).flatMap((path) => trespass(file, path) ?? []);

test('no file uses the test folder of another workspace', (t) => {
  const files = ['.ci', ...all.map(({ folder }) => folder)].flatMap((folder) =>
    folder === '.' ? [] : sources(folder),
  );
  t.deepEqual(
    files.flatMap((file) => trespasses(file, read(file))),
    [],
  );

  const file = 'packages/cli/test/long/kills.test.ts';
  for (const bad of [
    "import { seed } from '../../../core/test/seed.ts';",
    "export * from '../../../core/test/fixtures/seed.ts';",
    "const program = new URL('../../../plugin-acp/test/agent.ts', import.meta.url);",
    "import { page } from '../../../../examples/chat/test/page.ts';",
  ])
    t.is(trespasses(file, bad).length, 1, bad);
  for (const good of [
    "import { seed } from '../seed.ts';",
    "const program = new URL('../../bin/worker-runtime.js', import.meta.url);",
    "import { inTurns } from '@worker-runtime/core/testing';",
    "// as in '../../../core/test/seed.ts'",
  ])
    t.deepEqual(trespasses(file, good), [], good);
  t.is(trespasses('bench/cluster.ts', "import { seed } from '../packages/core/test/seed.ts';").length, 1);
  t.is(trespasses('.ci/test.ts', "import { seed } from '../packages/core/test/seed.ts';").length, 1);
});

test('every package has an import rule', (t) => {
  t.deepEqual(
    packages.filter(({ folder }) => ruleFor(folder) === undefined).map(({ folder }) => folder),
    [],
  );
});

test('the import rules refuse wrong imports and allow others', (t) => {
  const core = (source: string) => refusals('packages/core', 'packages/core/src/journal.ts', source);
  const plugin = (source: string) =>
    refusals('packages/plugin-http', 'packages/plugin-http/src/index.ts', source, ['fastify']);
  const client = (source: string) => refusals('packages/client', 'packages/client/src/index.ts', source);

  t.deepEqual(core("import { http } from '@worker-runtime/plugin-http';"), [
    'packages/core/src/journal.ts: must not import @worker-runtime/plugin-http',
  ]);
  for (const bad of [
    "import fastify from 'fastify';",
    "import 'pino';",
    "import type { Logger } from 'pino';",
    "import {\n  type Logger,\n  pino,\n} from 'pino';",
    "import * as pino from 'pino';",
    "export * from 'pino';",
    "export type { Logger } from 'pino';",
    "const pino = await import('pino');",
    'const pino = await import(`pino`);',
    "const pino = await import(\n  'pino',\n);",
    'const plugin = await import(name);',
    "type Logger = import('pino').Logger;",
    "const pino = require('pino');",
    "const url = 'http://x'; import 'pino';",
    '/// <reference types="pino" />',
    "import { readFile } from 'fs';",
    "import { http } from '../../plugin-http/src/index.ts';",
    "import { check } from '../test/check.ts';",
    "import { Runtime } from '@worker-runtime/core';",
  ])
    t.is(core(bad).length, bad.includes('../test/') ? 0 : 1, bad);
  for (const good of [
    "import { SyncHook } from 'tapable';",
    "import { readFile } from 'node:fs/promises';",
    "import { AsyncSeriesHook } from 'tapable'; // not from 'pino'",
    "/* import 'pino'; */ export * from './journal.ts';",
    'const important = 1; export const from = important;',
  ])
    t.deepEqual(core(good), [], good);

  t.deepEqual(plugin("import fastify from 'fastify'; import { x } from '@worker-runtime/core';"), []);
  for (const bad of ['@worker-runtime/plugin-fs-store', '@worker-runtime/core/testing', 'ws'])
    t.is(plugin(`import { x } from '${bad}';`).length, 1, bad);

  t.deepEqual(client("import type { Page } from '@worker-runtime/plugin-http/wire';"), []);
  t.is(client("import { Page } from '@worker-runtime/plugin-http/wire';").length, 1);
  const computed = 'const plugin = await import(name);';
  t.deepEqual(refusals('packages/cli', 'packages/cli/src/compose.ts', computed), []);
  for (const file of ['packages/cli/src/main.ts', 'packages/cli/src/nested/compose.ts'])
    t.is(refusals('packages/cli', file, computed).length, 1, file);
  t.is(refusals('packages/cli', 'packages/cli/src/compose.ts', "import 'unheard-of';").length, 1);

  t.is(refusals('packages/unheard-of', 'packages/unheard-of/src/a.ts', "import 'node:fs';").length, 1);
});

test('no file has a collective name', (t) => {
  const files = [...all.flatMap(({ folder }) => (folder === '.' ? [] : sources(folder))), ...sources('.ci')];
  t.deepEqual(files.filter(hasCollectiveName), []);
  for (const bad of ['src/utils.ts', 'src/worker/types.ts', 'src/test-helpers.ts', 'plugin-manager.js'])
    t.true(hasCollectiveName(bad), bad);
  for (const good of ['src/journal.ts', 'src/typeid.ts', 'src/common-log-format.ts'])
    t.false(hasCollectiveName(good), good);
});

test('no source uses any', (t) => {
  const files = all.flatMap(({ folder }) => (folder === '.' ? [] : sources(folder)));
  t.deepEqual(
    files.filter((file) => usesAny(read(file))),
    [],
  );
  for (const bad of [
    'let x: any = 1;',
    'f(x as any)',
    'type A = any[];',
    'Map<string, any>',
    'x: any | null',
  ])
    t.true(usesAny(bad), bad);
  for (const good of [
    'AbortSignal.any([a, b])',
    "'any'",
    '// any',
    'const company = { any: 1 };',
    'anything',
  ])
    t.false(usesAny(good), good);
});

test('every package has a README, a license and a version', (t) => {
  for (const { folder, manifest } of packages) {
    t.true(existsSync(join(root, folder, 'README.md')), `${folder}/README.md`);
    t.is(manifest.license, 'MIT', folder);
    t.true(isExact(manifest.version ?? ''), folder);
  }
});

test('the scripts of each package run every test file', (t) => {
  for (const { folder, manifest } of packages) {
    const files = sources(`${folder}/test`).flatMap((file) =>
      file.endsWith('.test.ts') ? [file.slice(`${folder}/test/`.length)] : [],
    );
    const inFolder = (name: string): boolean => files.some((file) => file.startsWith(`${name}/`));
    const directly = files.filter((file) => !file.includes('/'));
    let runs = 'ava test/*.test.ts';
    if (directly.includes('together.test.ts')) {
      const imported = importsOf(read(`${folder}/test/together.test.ts`)).map(({ specifier }) => specifier);
      for (const file of directly)
        t.is(imported.includes(`./${file}`), file !== 'together.test.ts', `${folder}: ${file}`);
      runs = `ava test/together.test.ts${inFolder('alone') ? ' test/alone/*.test.ts' : ''}`;
    } else t.false(inFolder('alone'), folder);
    const { test: script = '', 'test:long': long = '' } = manifest.scripts ?? {};
    t.true(script.endsWith(runs), `${folder}: ${script}`);
    t.is(long.endsWith('ava test/long/*.test.ts'), inFolder('long'), `${folder}: ${long}`);
    t.deepEqual(
      files.filter((file) => !/^((alone|long)\/)?[^/]+$/.test(file)),
      [],
      folder,
    );
  }
});

test('every version is pinned, and one dependency has one version', (t) => {
  const versions = new Map<string, string>();
  for (const { folder, manifest } of all)
    for (const [name, version] of declared(manifest)) {
      t.true(isExact(version), `${folder}: ${name} ${version}`);
      t.is(version, own.get(name)?.version ?? versions.get(name) ?? version, `${folder}: ${name}`);
      versions.set(name, version);
    }
  for (const bad of ['^1.0.0', '~1.0.0', '1.x', '*', 'latest', '>=1.0.0', 'file:../core', 'workspace:*'])
    t.false(isExact(bad), bad);
});

test('docs/dependencies.md has a line for each dependency and no other line', (t) => {
  const page = read('docs/dependencies.md');
  const explained = [...page.matchAll(/^- `([^`]+)`.*\S/gm)].map((match) => match[1] ?? '');
  const used = new Set(all.flatMap(({ manifest }) => declared(manifest).map(([name]) => name)));
  const external = [...used].filter((name) => !own.has(name));
  t.deepEqual(explained.toSorted(), external.toSorted());
});

/** The names that README.md has for dependencies in place of their own. */
const SHORT: Readonly<Record<string, string>> = {
  '@agentclientprotocol/sdk': 'the ACP SDK',
  '@ai-sdk/anthropic': 'two of its providers',
  '@ai-sdk/openai-compatible': 'two of its providers',
  '@fastify/proxy-addr': 'proxy-addr',
  '@modelcontextprotocol/sdk': 'the MCP SDK',
};

test('README.md has the dependencies of each package, besides core', (t) => {
  const page = read('README.md');
  const shortName = (name: string): string =>
    SHORT[name] ??
    (name.startsWith('@opentelemetry/') ? 'OpenTelemetry' : name.replace('@worker-runtime/', ''));
  for (const { folder, manifest } of packages) {
    const row = page.split('\n').find((line) => line.includes(`](${folder}) |`)) ?? '';
    const named = (row.split('|').at(-2) ?? '').split(',').map((name) => name.trim());
    const used = Object.keys(manifest.dependencies ?? {}).filter(
      (name) => !name.startsWith('@types/') && name !== '@worker-runtime/core',
    );
    const own = used.filter((name) => name.startsWith('@worker-runtime/'));
    const needed = named.includes('all of them')
      ? ['all of them', ...used.filter((name) => !own.includes(name))]
      : used;
    t.deepEqual(
      named.filter((name) => name !== '').toSorted(),
      [...new Set(needed.map(shortName))].toSorted(),
      folder,
    );
  }
});

test('every package with a build is built after its dependencies', (t) => {
  interface Config {
    readonly references?: readonly { readonly path: string }[];
  }
  const paths = (config: Config) => (config.references ?? []).map(({ path }) => path.replace(/^\.\//, ''));
  const compiled = packages.filter(({ folder }) => existsSync(join(root, folder, 'tsconfig.json')));
  t.deepEqual(
    paths(readJson<Config>('tsconfig.json'))
      .filter((path) => path.startsWith('packages/'))
      .toSorted(),
    compiled.map(({ folder }) => folder).toSorted(),
  );
  for (const { folder, manifest } of compiled) {
    // a package that is imported only for its types is not installed by users, but must still be built first
    const typed = sources(`${folder}/src`)
      .flatMap((file) => importsOf(read(file)))
      .flatMap(({ specifier = '', isTypeOnly }) => (isTypeOnly ? [specifier.split('/', 2).join('/')] : []));
    const needed = [...own.keys()].filter(
      (name) => name !== manifest.name && (name in (manifest.dependencies ?? {}) || typed.includes(name)),
    );
    const referenced = paths(readJson<Config>(`${folder}/tsconfig.json`)).map(
      (path) => readJson<Manifest>(`${folder}/${path}/package.json`).name,
    );
    t.deepEqual(referenced.toSorted(), needed.toSorted(), `${folder}/tsconfig.json`);
  }
});
