import { constants, type Stats } from 'node:fs';
import { lstat, mkdir, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';
import { isPodName } from './pod-name.ts';

/** The error for a file that is not read, because another user may have changed it. Its message is for the operator. */
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
 * Reads the files of the old program. Only their directory protects the sockets. A directory that another user can
 * write is therefore refused, and links are not followed.
 */
export class PodFiles {
  readonly dataDir: string;
  readonly runtimeDir: string;

  constructor(dataDir: string, runtimeDir: string) {
    this.dataDir = dataDir;
    this.runtimeDir = runtimeDir;
  }

  /** Creates the runtime directory if it is missing. @throws CONFIG_UNSUPPORTED other users can write it */
  async prepareRuntimeDir(): Promise<void> {
    await mkdir(this.runtimeDir, { recursive: true, mode: 0o700 });
    await this.assertRuntimeDir();
  }

  /**
   * Returns true if the runtime directory exists.
   * @throws CONFIG_UNSUPPORTED it is not a directory, it belongs to another user, or other users can write it
   */
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
          ? 'can be written by other users'
          : null;
    if (flaw !== null) {
      throw new RuntimeError('CONFIG_UNSUPPORTED', `The runtime directory of the pods ${flaw}`, {
        cause: new UnsafeFileError(`${this.runtimeDir} ${flaw}`),
        details: { option: 'runtimeDir', reason: flaw },
      });
    }
    return true;
  }

  /** Returns the names of the pods that have metadata or a socket. Does not read the registry. */
  async names(): Promise<ReadonlySet<string>> {
    const names = new Set<string>();
    for (const name of await this.#directories(join(this.dataDir, 'pods')))
      if (await this.#exists(join(this.dataDir, 'pods', name, 'metadata.json'))) names.add(name);
    if (await this.assertRuntimeDir())
      for (const name of await this.#directories(this.runtimeDir))
        if (await this.#exists(join(this.runtimeDir, name, 'sock'))) names.add(name);
    return names;
  }

  /** Returns the path of the pod's socket, or null if it has none. @throws UnsafeFileError · CONFIG_UNSUPPORTED */
  async socket(name: string): Promise<string | null> {
    if (!isPodName(name)) throw new UnsafeFileError('not a valid pod name');
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
    if (!isPodName(name)) throw new UnsafeFileError('not a valid pod name');
    return this.read(join(this.dataDir, 'pods', name, 'metadata.json'), 8 * 1_048_576);
  }

  registry(): Promise<Buffer | null> {
    return this.read(join(this.runtimeDir, 'pods.json'), 16 * 1_048_576);
  }

  /** Returns the process id that the pod wrote when it started, or null. */
  async writtenPid(name: string): Promise<number | null> {
    if (!isPodName(name)) return null;
    const text = (await this.read(join(this.runtimeDir, name, 'pid'), 64))?.toString('utf8').trim() ?? '';
    return /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : null;
  }

  /** Returns the file of one segment of a session log, or null if it does not exist. */
  segment(session: string, segment: string): Promise<Buffer | null> {
    if (!UUID.test(session) || !UUID.test(segment)) return Promise.resolve(null);
    return this.read(join(this.dataDir, 'sessions', session, `${segment}.jsonl`), 256 * 1_048_576);
  }

  /** Returns the files that record the role of each pod, one for each workspace. */
  async roleRecords(): Promise<readonly Buffer[]> {
    const root = join(this.dataDir, 'panel', 'workspaces');
    const found: Buffer[] = [];
    for (const leaf of await this.#directories(root)) {
      const bytes = await this.read(join(root, leaf, 'role-sessions.json'), 1_048_576).catch(() => null);
      if (bytes) found.push(bytes);
    }
    return found;
  }

  /**
   * Reads a whole file. Returns null if it does not exist.
   * @throws UnsafeFileError it is a link, belongs to another user, can be written by other users, or is too large
   */
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
      if ((stats.mode & 0o002) !== 0) throw new UnsafeFileError(`${path} can be written by other users`);
      if (stats.size > limitBytes) throw new UnsafeFileError(`${path} is larger than ${limitBytes} bytes`);
      return await file.readFile();
    } finally {
      await file.close();
    }
  }

  /** Checks the directory of a pod. It is safe in any case if other users cannot enter the runtime directory. */
  async #assertPodDir(name: string): Promise<void> {
    const path = join(this.runtimeDir, name);
    const stats = await lstat(path);
    if (!stats.isDirectory() || !isOwn(stats))
      throw new UnsafeFileError(`${path} is not a directory of this user`);
    const above = await lstat(this.runtimeDir);
    if ((above.mode & OTHERS_ENTER) !== 0 && (stats.mode & OTHERS_WRITE) !== 0)
      throw new UnsafeFileError(`${path} can be written by other users`);
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
