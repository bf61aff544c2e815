import { constants, type Stats } from 'node:fs';
import { lstat, mkdir, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';
import { isPodName } from './pod-name.ts';

/** Why a file of the old program is not touched: somebody else may have a hand in it. */
export class UnsafeFileError extends Error {
  override readonly name = 'UnsafeFileError';
}

const OTHERS_WRITE = 0o022;
const OTHERS_ENTER = 0o011;

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | null)?.code;

const isMissing = (error: unknown): boolean => codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';

const isOwn = (stats: Stats): boolean => process.getuid === undefined || stats.uid === process.getuid();

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The files of the old program, read only. Sockets have no other protection than their directory, so a directory that
 * somebody else could write is refused, and no link is followed out of it.
 */
export class PodFiles {
  readonly dataDir: string;
  readonly runtimeDir: string;

  constructor(dataDir: string, runtimeDir: string) {
    this.dataDir = dataDir;
    this.runtimeDir = runtimeDir;
  }

  /** Makes the runtime directory where it is missing. @throws CONFIG_UNSUPPORTED others can write it */
  async prepareRuntimeDir(): Promise<void> {
    await mkdir(this.runtimeDir, { recursive: true, mode: 0o700 });
    await this.assertRuntimeDir();
  }

  /** True where it is there. @throws CONFIG_UNSUPPORTED it is a link, somebody else's, or others can write it */
  async assertRuntimeDir(): Promise<boolean> {
    let stats: Stats;
    try {
      stats = await lstat(this.runtimeDir);
    } catch (cause) {
      if (isMissing(cause)) return false;
      throw new RuntimeError('CONFIG_UNSUPPORTED', 'The runtime directory of the pods cannot be read', {
        cause,
      });
    }
    const flaw = !stats.isDirectory()
      ? 'is not a directory'
      : !isOwn(stats)
        ? 'belongs to another user'
        : (stats.mode & OTHERS_WRITE) !== 0
          ? 'can be written by others'
          : null;
    if (flaw !== null) {
      throw new RuntimeError('CONFIG_UNSUPPORTED', `The runtime directory of the pods ${flaw}`, {
        cause: new UnsafeFileError(`${this.runtimeDir} ${flaw}`),
        details: { option: 'runtimeDir', reason: flaw },
      });
    }
    return true;
  }

  /** Names of pods that left anything: metadata, or a directory with a socket. Those of the registry are not in here. */
  async names(): Promise<ReadonlySet<string>> {
    const names = new Set<string>();
    for (const name of await this.#directories(join(this.dataDir, 'pods')))
      if (await this.#exists(join(this.dataDir, 'pods', name, 'metadata.json'))) names.add(name);
    if (await this.assertRuntimeDir())
      for (const name of await this.#directories(this.runtimeDir))
        if (await this.#exists(join(this.runtimeDir, name, 'sock'))) names.add(name);
    return names;
  }

  /** Where to connect to. Null where there is no socket. @throws UnsafeFileError · CONFIG_UNSUPPORTED */
  async socket(name: string): Promise<string | null> {
    if (!isPodName(name)) throw new UnsafeFileError('not a name of a pod');
    if (!(await this.assertRuntimeDir())) return null;
    try {
      await this.#assertPodDir(name);
      const path = join(this.runtimeDir, name, 'sock');
      const stats = await lstat(path);
      if (!stats.isSocket() || !isOwn(stats))
        throw new UnsafeFileError(`${path} is not a socket of this user`);
      return path;
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  metadata(name: string): Promise<Buffer | null> {
    if (!isPodName(name)) throw new UnsafeFileError('not a name of a pod');
    return this.read(join(this.dataDir, 'pods', name, 'metadata.json'), 8 * 1_048_576);
  }

  registry(): Promise<Buffer | null> {
    return this.read(join(this.runtimeDir, 'pods.json'), 16 * 1_048_576);
  }

  /** The process id that a pod wrote when it started. */
  async writtenPid(name: string): Promise<number | null> {
    if (!isPodName(name)) return null;
    const text = (await this.read(join(this.runtimeDir, name, 'pid'), 64))?.toString('utf8').trim() ?? '';
    return /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : null;
  }

  /** A session log. Null where there is none. */
  segment(session: string, segment: string): Promise<Buffer | null> {
    if (!UUID.test(session) || !UUID.test(segment)) return Promise.resolve(null);
    return this.read(join(this.dataDir, 'sessions', session, `${segment}.jsonl`), 256 * 1_048_576);
  }

  /** What people gave the pods to do, by the name of the pod. */
  async roleRecords(): Promise<readonly Buffer[]> {
    const root = join(this.dataDir, 'panel', 'workspaces');
    const found: Buffer[] = [];
    for (const leaf of await this.#directories(root)) {
      const bytes = await this.read(join(root, leaf, 'role-sessions.json'), 1_048_576).catch(() => null);
      if (bytes) found.push(bytes);
    }
    return found;
  }

  /** A whole file of this user that is no link. Null where it is missing. @throws UnsafeFileError */
  async read(path: string, limitBytes: number): Promise<Buffer | null> {
    let file: Awaited<ReturnType<typeof open>>;
    try {
      file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      if (isMissing(error)) return null;
      if (codeOf(error) === 'ELOOP') throw new UnsafeFileError(`${path} is a link`);
      throw error;
    }
    try {
      const stats = await file.stat();
      if (!stats.isFile() || !isOwn(stats)) throw new UnsafeFileError(`${path} is not a file of this user`);
      if ((stats.mode & 0o002) !== 0) throw new UnsafeFileError(`${path} can be written by others`);
      if (stats.size > limitBytes) throw new UnsafeFileError(`${path} is larger than ${limitBytes} bytes`);
      return await file.readFile();
    } finally {
      await file.close();
    }
  }

  /** Where others cannot even enter the directory above, what is inside is as safe as it. */
  async #assertPodDir(name: string): Promise<void> {
    const path = join(this.runtimeDir, name);
    const stats = await lstat(path);
    if (!stats.isDirectory() || !isOwn(stats))
      throw new UnsafeFileError(`${path} is not a directory of this user`);
    const above = await lstat(this.runtimeDir);
    if ((above.mode & OTHERS_ENTER) !== 0 && (stats.mode & OTHERS_WRITE) !== 0)
      throw new UnsafeFileError(`${path} can be written by others`);
  }

  async #directories(path: string): Promise<readonly string[]> {
    try {
      const entries = await readdir(path, { withFileTypes: true });
      return entries.filter((entry) => entry.isDirectory() && isPodName(entry.name)).map(({ name }) => name);
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }

  async #exists(path: string): Promise<boolean> {
    return lstat(path).then(
      () => true,
      () => false,
    );
  }
}
