import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import type { Disk, OpenMode } from '../src/disk/disk.ts';
import type { FileJob } from '../src/disk/file-job.ts';
import { performJobs } from '../src/disk/file-steps.ts';
import { nodeDisk } from '../src/disk/node-disk.ts';
import { releaseLock } from './directory.ts';

/** One step on the disk. Names are paths below the root. A file has a number, which a rename does not change. */
type Step =
  | { readonly kind: 'write'; readonly file: number; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly file: number; readonly length: number }
  /** A sync covers everything written before it began, or only one write, and takes effect when it has returned. */
  | { readonly kind: 'syncBegins'; readonly file: number; readonly sync: number; readonly only?: DataStep }
  | { readonly kind: 'synced'; readonly file: number; readonly sync: number }
  | { readonly kind: 'link'; readonly path: string; readonly file: number }
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'directorySyncBegins'; readonly path: string; readonly sync: number }
  | { readonly kind: 'directorySynced'; readonly sync: number };

type NameStep = Extract<Step, { kind: 'link' | 'directory' | 'rename' | 'remove' }>;
type DataStep = Extract<Step, { kind: 'write' | 'truncate' }>;

const SECTOR_BYTES = 512;

/** The real disk. It records the order of all writes and syncs, and can produce the states that a power loss may leave. */
export class PowerLossDisk implements Disk {
  readonly hasDurableWrites = true;
  readonly #root: string;
  readonly #steps: Step[] = [];
  readonly #files = new Map<string, number>();
  readonly #open = new Map<number, number>();
  readonly #durable = new Set<number>();
  #lastFile = 0;
  #lastSync = 0;

  constructor(root: string) {
    this.#root = root;
  }

  get steps(): number {
    return this.#steps.length;
  }

  async open(path: string, mode: OpenMode): Promise<number> {
    const handle = await nodeDisk.open(path, mode);
    const name = relative(this.#root, path);
    let file = this.#files.get(name);
    if (file === undefined) file = this.#link(name);
    else if (mode === 'replace') this.#steps.push({ kind: 'truncate', file, length: 0 });
    this.#open.set(handle, file);
    if (mode === 'durable') this.#durable.add(handle);
    return handle;
  }

  close(handle: number): Promise<void> {
    this.#open.delete(handle);
    this.#durable.delete(handle);
    return nodeDisk.close(handle);
  }

  read(handle: number, into: Uint8Array, position: number): Promise<number> {
    return nodeDisk.read(handle, into, position);
  }

  async write(handle: number, bytes: Uint8Array, position: number): Promise<number> {
    const file = this.#file(handle);
    const write = { kind: 'write', file, at: position, bytes: Buffer.from(bytes) } as const;
    this.#steps.push(write);
    if (!this.#durable.has(handle)) return nodeDisk.write(handle, bytes, position);
    this.#lastSync += 1;
    const sync = this.#lastSync;
    this.#steps.push({ kind: 'syncBegins', file, sync, only: write });
    const written = await nodeDisk.write(handle, bytes, position);
    this.#steps.push({ kind: 'synced', file, sync });
    return written;
  }

  truncate(handle: number, length: number): Promise<void> {
    this.#steps.push({ kind: 'truncate', file: this.#file(handle), length });
    return nodeDisk.truncate(handle, length);
  }

  async sync(handle: number): Promise<void> {
    const file = this.#file(handle);
    this.#lastSync += 1;
    const sync = this.#lastSync;
    this.#steps.push({ kind: 'syncBegins', file, sync });
    await nodeDisk.sync(handle);
    this.#steps.push({ kind: 'synced', file, sync });
  }

  readFile(path: string): Promise<Buffer> {
    return nodeDisk.readFile(path);
  }

  async replace(path: string, chunks: readonly Uint8Array[]): Promise<void> {
    const name = relative(this.#root, path);
    const file = this.#link(`${name}.tmp`);
    this.#steps.push({ kind: 'write', file, at: 0, bytes: Buffer.concat(chunks) });
    this.#lastSync += 2;
    const sync = this.#lastSync;
    this.#steps.push({ kind: 'syncBegins', file, sync: sync - 1 });
    this.#steps.push({ kind: 'synced', file, sync: sync - 1 });
    this.#move(`${name}.tmp`, name);
    this.#steps.push({ kind: 'directorySyncBegins', path: dirname(name), sync });
    await nodeDisk.replace(path, chunks);
    this.#steps.push({ kind: 'directorySynced', sync });
  }

  identity(path: string): Promise<string | null> {
    return nodeDisk.identity(path);
  }

  pathOf(file: number): string | null {
    return nodeDisk.pathOf(file);
  }

  size(path: string): Promise<number | null> {
    return nodeDisk.size(path);
  }

  perform(jobs: readonly FileJob[]): ReturnType<Disk['perform']> {
    return performJobs(this, jobs);
  }

  space(path: string): ReturnType<Disk['space']> {
    return nodeDisk.space(path);
  }

  list(path: string): Promise<readonly string[]> {
    return nodeDisk.list(path);
  }

  async makeDirectory(path: string): Promise<void> {
    const name = relative(this.#root, path);
    if (name !== '') this.#steps.push({ kind: 'directory', path: name });
    await nodeDisk.makeDirectory(path);
  }

  async syncDirectory(path: string): Promise<void> {
    this.#lastSync += 1;
    const sync = this.#lastSync;
    this.#steps.push({ kind: 'directorySyncBegins', path: relative(this.#root, path) || '.', sync });
    await nodeDisk.syncDirectory(path);
    this.#steps.push({ kind: 'directorySynced', sync });
  }

  async rename(from: string, to: string): Promise<void> {
    await nodeDisk.rename(from, to);
    this.#move(relative(this.#root, from), relative(this.#root, to));
  }

  async remove(path: string): Promise<void> {
    const name = relative(this.#root, path);
    this.#steps.push({ kind: 'remove', path: name });
    for (const known of [...this.#files.keys()]) {
      if (known === name || known.startsWith(`${name}/`)) this.#files.delete(known);
    }
    await nodeDisk.remove(path);
  }

  /**
   * Writes into a directory what a power loss after `count` steps may leave. Of each file that is everything synced, and
   * any part of the later writes, in any order, torn at any sector. Of the names it is all synced ones, and possibly some
   * of the later ones, in order.
   */
  async leave(count: number, random: () => number, into: string): Promise<void> {
    const contents = new Map<number, Buffer>();
    const pending = new Map<number, DataStep[]>();
    const names: NameStep[] = [];
    const covered = new Map<number, readonly DataStep[]>();
    const reached = new Map<number, number>();
    let certain = 0;
    for (const step of this.#steps.slice(0, count)) {
      if (step.kind === 'write' || step.kind === 'truncate') {
        pending.set(step.file, [...(pending.get(step.file) ?? []), step]);
      } else if (step.kind === 'syncBegins') {
        covered.set(step.sync, step.only ? [step.only] : [...(pending.get(step.file) ?? [])]);
      } else if (step.kind === 'synced') {
        const steps = new Set(covered.get(step.sync));
        contents.set(step.file, apply(contents.get(step.file), [...steps]));
        const later = (pending.get(step.file) ?? []).filter((write) => !steps.has(write));
        pending.set(step.file, later);
      } else if (step.kind === 'directorySyncBegins') {
        reached.set(step.sync, names.findLastIndex((name) => touches(name, step.path)) + 1);
      } else if (step.kind === 'directorySynced') {
        certain = Math.max(certain, reached.get(step.sync) ?? 0);
      } else names.push(step);
    }
    const lasting = names.slice(0, certain + Math.floor(random() * (names.length - certain + 1)));
    for (const [file, steps] of pending) {
      contents.set(
        file,
        apply(
          contents.get(file),
          steps.flatMap((step) => torn(step, random)),
        ),
      );
    }
    const { files, directories } = tree(lasting);
    for (const directory of directories) await mkdir(join(into, directory), { recursive: true });
    for (const [path, file] of files)
      await writeFile(join(into, path), contents.get(file) ?? Buffer.alloc(0));
    // Links are not recorded.
    await releaseLock(into);
  }

  #link(name: string): number {
    this.#lastFile += 1;
    this.#files.set(name, this.#lastFile);
    this.#steps.push({ kind: 'link', path: name, file: this.#lastFile });
    return this.#lastFile;
  }

  #move(from: string, to: string): void {
    this.#steps.push({ kind: 'rename', from, to });
    for (const [name, file] of [...this.#files]) {
      if (name !== from && !name.startsWith(`${from}/`)) continue;
      this.#files.delete(name);
      this.#files.set(to + name.slice(from.length), file);
    }
  }

  #file(handle: number): number {
    return this.#open.get(handle) ?? 0;
  }
}

const touches = (step: NameStep, directory: string): boolean =>
  step.kind === 'rename'
    ? dirname(step.from) === directory || dirname(step.to) === directory
    : dirname(step.path) === directory;

const apply = (content: Buffer = Buffer.alloc(0), steps: readonly DataStep[]): Buffer => {
  let result = Buffer.from(content);
  for (const step of steps) {
    const end = step.kind === 'write' ? step.at + step.bytes.length : step.length;
    if (end > result.length) result = Buffer.concat([result, Buffer.alloc(end - result.length)]);
    if (step.kind === 'write') step.bytes.copy(result, step.at);
    else result = Buffer.from(result.subarray(0, step.length));
  }
  return result;
};

/** Returns nothing of a step, all of it, or some of its sectors. */
const torn = (step: DataStep, random: () => number): readonly DataStep[] => {
  const luck = random();
  if (luck < 0.3) return [];
  if (luck < 0.6 || step.kind === 'truncate') return [step];
  const parts: DataStep[] = [];
  for (let from = 0; from < step.bytes.length; ) {
    const end = Math.min(step.bytes.length, from + SECTOR_BYTES - ((step.at + from) % SECTOR_BYTES));
    if (random() < 0.5) parts.push({ ...step, at: step.at + from, bytes: step.bytes.subarray(from, end) });
    from = end;
  }
  return parts;
};

const tree = (names: readonly NameStep[]): { files: Map<string, number>; directories: Set<string> } => {
  const files = new Map<string, number>();
  const directories = new Set<string>();
  const under = (path: string, name: string): boolean => name === path || name.startsWith(`${path}/`);
  for (const step of names) {
    if (step.kind === 'link') files.set(step.path, step.file);
    else if (step.kind === 'directory') directories.add(step.path);
    else {
      const from = step.kind === 'rename' ? step.from : step.path;
      for (const [name, file] of [...files]) {
        if (!under(from, name)) continue;
        files.delete(name);
        if (step.kind === 'rename') files.set(step.to + name.slice(from.length), file);
      }
      for (const name of [...directories]) {
        if (!under(from, name)) continue;
        directories.delete(name);
        if (step.kind === 'rename') directories.add(step.to + name.slice(from.length));
      }
    }
  }
  for (const name of [...files.keys()]) {
    // A file is lost with its directory.
    if (dirname(name) !== '.' && !directories.has(dirname(name))) files.delete(name);
  }
  return { files, directories: new Set([...directories].filter((name) => basename(name) !== '')) };
};
