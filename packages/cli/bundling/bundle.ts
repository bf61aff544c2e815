/**
 * Writes the published program: few files instead of a thousand, because Node takes longer to find and load modules than a command
 * takes to run (docs/decisions/0099). `npm pack` runs it before it packs, and removes the files afterwards. `npm test` names a folder
 * of its own, which gets the parts of the package that run.
 */
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, parse, resolve } from 'node:path';
import { type BuildOptions, build, type Plugin } from 'esbuild';

const here = join(import.meta.dirname, '..');
const target = resolve(here, process.argv[2] ?? '.');
const outdir = join(target, 'bundle');
const { resolve: pathOf } = createRequire(import.meta.url);

/** The file with the definitions of all commands. */
const TREE = 'command-tree';

/** Returns the license of a package that is bundled, as it asks for. */
const noticeOf = async (folder: string): Promise<string> => {
  const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const file = (await readdir(folder)).find((entry) => /^licen[cs]e(\.|$)/i.test(entry));
  const text = file === undefined ? '' : await readFile(join(folder, file), 'utf8');
  return `${name} ${version} (${license})\n\n${text.trim()}\n`;
};

/** The entries of the rest of the program: these two, and what the tree loads later or shares with it. */
const entries: Record<string, string> = {
  main: 'dist/main.js',
  // the store starts it as a thread, by its name
  'file-thread-main': join(pathOf('@worker-runtime/plugin-fs-store'), '../disk/file-thread-main.js'),
};

/** Leaves what is loaded later to the rest of the program, and the class of the failures that the rest recognizes. */
const outsideTheTree: Plugin = {
  name: 'outside-the-tree',
  setup: (program) => {
    program.onResolve({ filter: /^\.\.?\// }, ({ path, kind, resolveDir }) => {
      const { name } = parse(path);
      if (!resolveDir.startsWith(join(here, 'dist'))) return undefined;
      if (kind !== 'dynamic-import' && name !== 'failure') return undefined;
      entries[name] = join(resolveDir, path);
      return { path: `./${name}.js`, external: true };
    });
  },
};

const shared = {
  absWorkingDir: here,
  outdir,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  // modules of CommonJS require those of Node
  banner: {
    js: "import { createRequire as requireOf } from 'node:module';\nconst require = requireOf(import.meta.url);",
  },
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
} as const satisfies BuildOptions;

await rm(outdir, { recursive: true, force: true });
// The definitions of all commands, with yargs: in one file, because the help loads it and nothing else. It has no parts, so that it has
// only those statements of core that the definitions need.
const tree = await build({
  ...shared,
  entryPoints: { [TREE]: `dist/${TREE}.js` },
  plugins: [outsideTheTree],
  // modules that yargs uses little of and that take as long to load as the rest of it: expressions for emoji, and comparisons
  alias: { 'string-width': './bundling/string-width.ts', assert: './bundling/assert.ts' },
});
const rest = await build({
  ...shared,
  entryPoints: entries,
  // a plugin is a file of its own, and is loaded only if it is named
  splitting: true,
  // all in one folder, because some find files beside them
  chunkNames: '[name]-[hash]',
  external: [
    // the pages of the console are files
    '@worker-runtime/console',
    `./${TREE}.js`,
  ],
});

const folders = new Set(
  [tree, rest]
    .flatMap(({ metafile }) => Object.keys(metafile.inputs))
    .flatMap((input) => /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(resolve(here, input))?.[1] ?? []),
);
const notices = await Promise.all([...folders].toSorted().map(noticeOf));
await writeFile(join(outdir, 'licenses.txt'), notices.join(`\n${'-'.repeat(72)}\n\n`));
if (target !== here)
  for (const part of ['bin', 'package.json'])
    await cp(join(here, part), join(target, part), { recursive: true });
