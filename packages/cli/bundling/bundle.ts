/**
 * Writes the published program: few files instead of a thousand, because Node takes longer to find and load modules than a command
 * takes to run (docs/decisions/0099). `npm pack` runs it before it packs, and removes the files afterwards. `npm test` names a folder
 * of its own, which gets the parts of the package that run.
 */
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const here = join(import.meta.dirname, '..');
const target = resolve(here, process.argv[2] ?? '.');
const outdir = join(target, 'bundle');
const { resolve: pathOf } = createRequire(import.meta.url);

/** Returns the license of a package that is bundled, as it asks for. */
const noticeOf = async (folder: string): Promise<string> => {
  const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const file = (await readdir(folder)).find((entry) => /^licen[cs]e(\.|$)/i.test(entry));
  const text = file === undefined ? '' : await readFile(join(folder, file), 'utf8');
  return `${name} ${version} (${license})\n\n${text.trim()}\n`;
};

await rm(outdir, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: {
    main: 'dist/main.js',
    // the store starts it as a thread, by its name
    'file-thread-main': join(pathOf('@worker-runtime/plugin-fs-store'), '../disk/file-thread-main.js'),
  },
  outdir,
  bundle: true,
  // a plugin is a file of its own, and is loaded only if it is named
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  // all in one folder, because some find files beside them
  chunkNames: '[name]-[hash]',
  // the pages of the console are files
  external: ['@worker-runtime/console'],
  // modules of CommonJS require those of Node
  banner: {
    js: "import { createRequire as requireOf } from 'node:module';\nconst require = requireOf(import.meta.url);",
  },
  legalComments: 'none',
  // the one that yargs uses compiles expressions for emoji, which takes as long as the start of Node
  alias: { 'string-width': './bundling/string-width.ts' },
  metafile: true,
  logLevel: 'warning',
});

const folders = new Set(
  Object.keys(metafile.inputs).flatMap(
    (input) => /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(resolve(here, input))?.[1] ?? [],
  ),
);
const notices = await Promise.all([...folders].toSorted().map(noticeOf));
await writeFile(join(outdir, 'licenses.txt'), notices.join(`\n${'-'.repeat(72)}\n\n`));
if (target !== here)
  for (const part of ['bin', 'package.json'])
    await cp(join(here, part), join(target, part), { recursive: true });
