import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

/*
 * Packages of other systems are no dependencies of this repository. They are installed in folders beside the bench, which git ignores,
 * and stay there for the next run.
 */

const ROOT = join(import.meta.dirname, '..', '.scratch-peers');
const INSTALL_MS = 300_000;

/** Packages with their exact versions. */
export type Packages = Readonly<Record<string, string>>;

const run = promisify(execFile);
const folderOf = (packages: Packages): string =>
  join(
    ROOT,
    Object.entries(packages)
      .map(([name, version]) => `${name.replace(/^.*\//, '')}-${version}`)
      .join('-'),
  );

/** Installs packages, without their install scripts. Returns the reason why that is not possible, or null. */
export const install = async (packages: Packages): Promise<string | null> => {
  const folder = folderOf(packages);
  if (existsSync(folder)) return null;
  const unfinished = `${folder}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  await writeFile(
    join(unfinished, 'package.json'),
    JSON.stringify({ private: true, dependencies: packages }),
  );
  try {
    await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: unfinished,
      timeout: INSTALL_MS,
    });
    await rename(unfinished, folder);
    return null;
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    const { stderr = '' } = error as { readonly stderr?: string };
    const [why = String(error)] = stderr.split('\n').filter((line) => line.includes('ERR!'));
    return `its packages could not be installed: ${why}`;
  }
};

/** Returns the path of a module of packages that are installed. */
export const resolved = (packages: Packages, specifier: string): string =>
  createRequire(join(folderOf(packages), 'package.json')).resolve(specifier);

/** Imports a module of packages that are installed. */
export const imported = async <Module>(packages: Packages, specifier: string): Promise<Module> =>
  (await import(pathToFileURL(resolved(packages, specifier)).href)) as Module;
