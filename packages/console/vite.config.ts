import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

const folder = import.meta.dirname;

/** The server for `npm run dev`. */
const target = process.env.SERVER_URL ?? 'http://127.0.0.1:8787';

/** Returns the folder of the package that a bundled module is from, or null for a module of this repository. */
const packageFolder = (module: string): string | null =>
  /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(module)?.[0] ?? null;

const noticeOf = async (from: string): Promise<string> => {
  const { name, version, license } = JSON.parse(await readFile(join(from, 'package.json'), 'utf8'));
  const file = (await readdir(from)).find((entry) => /^licen[cs]e(\.|$)/i.test(entry));
  const text = file === undefined ? '' : await readFile(join(from, file), 'utf8');
  return `${name} ${version} (${license})\n\n${text.trim()}\n`;
};

/** Writes the licenses of everything that is bundled, as they ask for. */
const notices = (): Plugin => ({
  name: 'notices',
  async generateBundle() {
    const folders = new Set([...this.getModuleIds()].flatMap((module) => packageFolder(module) ?? []));
    folders.add(join(dirname(folder), '../node_modules/@fontsource-variable/inter'));
    const texts = await Promise.all([...folders].toSorted().map(noticeOf));
    this.emitFile({ type: 'asset', fileName: 'licenses.txt', source: texts.join(`\n${'-'.repeat(72)}\n\n`) });
  },
});

/** Writes a compressed copy beside each file of text, so that no server has to compress. */
const compressed = (): Plugin => ({
  name: 'compressed',
  async writeBundle({ dir = '' }, bundle) {
    const texts = Object.keys(bundle).filter((name) => /\.(js|css|html|svg|txt)$/.test(name));
    await Promise.all(
      texts.flatMap(async (name) => {
        const body = await readFile(join(dir, name));
        await writeFile(join(dir, `${name}.br`), await promisify(brotliCompress)(body));
        await writeFile(join(dir, `${name}.gz`), await promisify(gzip)(body, { level: 9 }));
      }),
    );
  },
});

export default defineConfig({
  root: folder,
  // a server may deliver the files below any prefix
  base: './',
  plugins: [react(), notices(), compressed()],
  resolve: { conditions: ['@worker-runtime/source', 'module', 'browser', 'production', 'default'] },
  build: {
    outDir: 'assets',
    assetsDir: '',
    emptyOutDir: true,
    // a font within the style sheet would be read before the first paint
    assetsInlineLimit: 0,
    target: ['chrome125', 'firefox130', 'safari18'],
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // the compression takes most of the time, and needs no warning
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  // `npm run dev` serves the sources, and takes the API and the login from a server
  server: {
    host: '127.0.0.1',
    proxy: {
      '^/(w/[^/]+/)?(v1|login|device)(?=[/?]|$)': {
        target,
        ws: true,
        changeOrigin: true,
        // a server refuses the requests of pages of another origin
        headers: { origin: new URL(target).origin },
      },
    },
  },
});
