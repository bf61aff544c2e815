/** What the workspace test reads: the packages of this repository, their manifests and their sources. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

export interface Manifest {
  readonly name: string;
  readonly version?: string;
  readonly license?: string;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

export interface Workspace {
  /** From the root, with slashes: `packages/core`; the root itself is `.`. */
  readonly folder: string;
  readonly manifest: Manifest;
}

export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

export function readJson<T>(path: string): T {
  return JSON.parse(read(path)) as T;
}

/** The folders that npm's workspace globs match, whether or not any package stands there yet. */
export function workspaces(): Workspace[] {
  const folders = ['packages', 'examples'].flatMap((parent) =>
    existsSync(join(root, parent)) ? readdirSync(join(root, parent)).map((name) => `${parent}/${name}`) : [],
  );
  return ['.', ...folders, 'bench', 'soak']
    .filter((folder) => existsSync(join(root, folder, 'package.json')))
    .map((folder) => ({ folder, manifest: readJson<Manifest>(`${folder}/package.json`) }));
}

/** Every TypeScript or JavaScript source below `folder`, as paths from the root. */
export function sources(folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return ['node_modules', 'dist'].includes(entry.name) ? [] : sources(path);
    return /\.[cm]?[jt]sx?$/.test(entry.name) ? [path] : [];
  });
}

/** Every declared dependency of a manifest, whatever its kind. */
export function declared(manifest: Manifest): [name: string, version: string][] {
  return [
    manifest.dependencies,
    manifest.devDependencies,
    manifest.optionalDependencies,
    manifest.peerDependencies,
  ].flatMap((group) => Object.entries(group ?? {}));
}

/** The path of `to` from the root, after following it from the file `from`. */
export function follow(from: string, to: string): string {
  return relative(root, join(root, from, '..', to))
    .split(sep)
    .join('/');
}
