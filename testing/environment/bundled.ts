import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** CommonJS in the bundle requires modules of Node, which the format ESM lacks. */
const REQUIRE = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`;

const bundle = async (program: string): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'worker-runtime-bundled-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const outfile = join(folder, `${basename(program, '.ts')}.mjs`);
  await build({
    entryPoints: [program],
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['@worker-runtime/source'],
    external: ['pg-native'],
    banner: { js: REQUIRE },
    outfile,
  });
  return outfile;
};

const bundles = new Map<string, Promise<string>>();

/**
 * Returns the path of a program as one file of JavaScript, which this process makes once. Tests start some programs many times, and
 * compiling them at each start would take most of their time.
 *
 * @param program the path of a source, or the name of a program of this folder
 */
export const bundled = (program: URL | 'fake-agent' | 'mcp-process'): Promise<string> => {
  const source = fileURLToPath(program instanceof URL ? program : new URL(`${program}.ts`, import.meta.url));
  const path = bundles.get(source) ?? bundle(source);
  bundles.set(source, path);
  return path;
};
