import { close, fdatasync, ftruncate, open, read, readlinkSync, write } from 'node:fs';
import { lstat, mkdir, readdir, readFile, rename, rm, statfs } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { writeFile } from 'atomically';
import { type Disk, OPEN_FLAGS, type OpenMode } from './disk.ts';
import { performJobs } from './file-steps.ts';
import { CAN_START_THREADS, performInThreads } from './file-thread.ts';

/** The longest file name that common file systems accept. */
const NAME_BYTES = 255;
const REPLACE_TIMEOUT_MS = 2_000;

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException | null)?.code;

/** True if the path leads nowhere. */
const isMissing = (error: unknown): boolean => codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';

/** Wraps a callback call as a promise. On this hot path it costs half as much as the promise-based file handles. */
const promised = <T>(start: (done: (error: Error | null, value: T) => void) => void): Promise<T> =>
  new Promise((settle, fail) => {
    start((error, value) => (error ? fail(error) : settle(value)));
  });

const openFile = (path: string, mode: OpenMode): Promise<number> =>
  promised((done) => open(path, OPEN_FLAGS[mode], 0o600, done));

/** The number of due jobs from which on they are performed in threads. */
const THREAD_JOBS = 128;

/** The disk of this machine, through `node:fs`. */
export const nodeDisk: Disk = {
  // Not on macOS, where O_DSYNC leaves the bytes in the cache of the device, which `fdatasync` of Node does not.
  hasDurableWrites: process.platform === 'linux',
  open: openFile,
  close: (file) => promised<void>((done) => close(file, (error) => done(error ?? null))),
  async read(file, into, position) {
    let done = 0;
    while (done < into.length) {
      const at = done;
      const count = await promised<number>((end) =>
        read(file, into, at, into.length - at, position + at, (error, bytes) => end(error, bytes)),
      );
      if (count === 0) break;
      done += count;
    }
    return done;
  },
  write: (file, bytes, position) =>
    promised((done) => write(file, bytes, 0, bytes.length, position, (error, count) => done(error, count))),
  truncate: (file, length) => promised<void>((done) => ftruncate(file, length, (error) => done(error))),
  sync: (file) => promised<void>((done) => fdatasync(file, (error) => done(error))),
  readFile: (path) => readFile(path),

  /**
   * Uses the package `atomically` and works around its pitfalls. It queues by the path as given, so the path is
   * resolved first. It shortens long names silently, so they are refused. It ignores short writes of buffers, but not
   * of streams, so it gets a stream. It never syncs the directory, so that is done here.
   */
  async replace(path, chunks) {
    const target = resolve(path);
    if (Buffer.byteLength(basename(target)) > NAME_BYTES) {
      throw Object.assign(new Error('The file name is too long'), { code: 'ENAMETOOLONG' });
    }
    await writeFile(target, Readable.from(chunks, { objectMode: true }), {
      mode: 0o600,
      timeout: REPLACE_TIMEOUT_MS,
    });
    await nodeDisk.syncDirectory(dirname(target));
  },

  async size(path) {
    try {
      const found = await lstat(path);
      if (found.isFile()) return found.size;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null;
      throw error;
    }
    throw Object.assign(new Error('Not a regular file'), { code: 'EISDIR' });
  },

  async identity(path) {
    try {
      const { dev, ino } = await lstat(path, { bigint: true });
      return `${dev}:${ino}`;
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  },

  pathOf(file) {
    try {
      return readlinkSync(`/proc/self/fd/${file}`);
    } catch {
      return null;
    }
  },

  perform: (jobs, due) =>
    due < THREAD_JOBS || !CAN_START_THREADS ? performJobs(nodeDisk, jobs) : performInThreads(jobs),

  async space(path) {
    const { bsize, bavail, blocks } = await statfs(path);
    return { free: bavail * bsize, total: blocks * bsize };
  },

  async list(path) {
    try {
      return await readdir(path);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    }
  },

  async makeDirectory(path) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  },

  async syncDirectory(path) {
    const directory = await openFile(path, 'read');
    try {
      await nodeDisk.sync(directory);
    } finally {
      await nodeDisk.close(directory);
    }
  },

  rename: (from, to) => rename(from, to),
  remove: (path) => rm(path, { recursive: true, force: true }),
};
