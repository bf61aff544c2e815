import { randomBytes } from 'node:crypto';
import { lstat, lutimes, open, readdir, readFile, readlink, symlink, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { RuntimeError } from '@worker-runtime/core';
import { errnoOf, unavailable } from './disk-failure.ts';

const HEARTBEAT_MS = 1_000;
/** The time for which the heartbeat of an owner on another machine is watched before the owner is treated as dead. */
const WATCH_MS = 10_000;
/** The longest socket address, in bytes, that every supported system accepts. */
const ADDRESS_BYTES = 100;
const SOCKET = /^lock-[0-9a-f]+\.sock$/;
const PATTERN = /^lock\.(\d+)$/;

/** The owner of a lock. It is encoded in the target of a symbolic link, which needs no block of a full disk. */
interface Owner {
  /** The boot id of the owner's kernel; empty for a released lock. */
  readonly boot: string;
  /** The name of its socket in the directory; null if the file system has no sockets. */
  readonly socket: string | null;
}

interface Held {
  readonly server: Server | null;
  readonly socket: string;
  /** The target of the lock's symbolic link. */
  readonly target: string;
}

/** The services that a lock needs from the store that takes it. */
export interface LockHost {
  /** Runs a job that uses the disk in sequence with the store's other calls. */
  run(job: () => Promise<void>): Promise<void>;
  /** Called when another process has taken the lock. From then on this process must not write. */
  onLost(): void;
}

/** Returns the id of this boot of this kernel. Sockets show whether an owner lives only within one boot. */
const bootId = async (): Promise<string> => {
  try {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  } catch {
    return `host:${hostname()}`;
  }
};

const storeLocked = (): RuntimeError =>
  new RuntimeError('STORE_LOCKED', 'Another process has the store open');

/**
 * The lock of a directory. Links named `lock.<n>` are made by `symlink`, which succeeds for one contender only. The
 * highest one is the lock, and its target names the owner, as in Emacs' lock files. The owner is alive while its socket
 * accepts connections: the kernel closes the socket when the process ends, for any reason, and a reused process id
 * cannot be mistaken for the owner. A released lock stays in the directory, because its number is the writer's epoch.
 */
export class DirectoryLock {
  readonly epoch: number;
  readonly #path: string;
  readonly #next: string;
  readonly #target: string;
  readonly #socket: string;
  readonly #server: Server | null;
  readonly #heartbeat: NodeJS.Timeout;
  #isBeating = false;

  private constructor(directory: string, epoch: number, held: Held, host: LockHost) {
    this.epoch = epoch;
    this.#path = join(directory, `lock.${epoch}`);
    this.#next = join(directory, `lock.${epoch + 1}`);
    this.#target = held.target;
    this.#socket = join(directory, held.socket);
    this.#server = held.server;
    this.#heartbeat = setInterval(() => {
      if (this.#isBeating) return;
      this.#isBeating = true;
      void host.run(() => this.#beat(host));
    }, HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  /** Takes the lock. @throws STORE_LOCKED its owner is alive · STORE_UNAVAILABLE the directory cannot be used */
  static async take(directory: string, host: LockHost): Promise<DirectoryLock> {
    const socket = `lock-${randomBytes(6).toString('hex')}.sock`;
    let server: Server | null = null;
    try {
      server = await listen(directory, socket);
      const self: Owner = { boot: await bootId(), socket: server ? socket : null };
      const epoch = await claim(directory, self);
      await removeOldLocks(directory, epoch);
      return new DirectoryLock(directory, epoch, { server, socket, target: encode(self) }, host);
    } catch (error) {
      server?.close();
      await unlink(join(directory, socket)).catch(() => {});
      throw error instanceof RuntimeError
        ? error
        : unavailable('The directory of the store cannot be used', error);
    }
  }

  async release(): Promise<void> {
    clearInterval(this.#heartbeat);
    const server = this.#server;
    if (server) {
      await new Promise<void>((done) => server.close(() => done()));
      // Closing removes the socket's file only if its address was a plain path.
      await unlink(this.#socket).catch(() => {});
    } else {
      // Without a socket, contenders would have to watch the heartbeat: a lock marked as released tells them at once.
      await symlink(encode({ boot: '', socket: null }), this.#next).catch(() => {});
    }
  }

  async #beat(host: LockHost): Promise<void> {
    const now = new Date();
    await lutimes(this.#path, now, now).catch(() => {});
    // Makes the link again if a person removed it, unless another process has taken this number or the next one.
    await symlink(this.#target, this.#path).catch(() => {});
    const target = await readlink(this.#path).catch(() => this.#target);
    if (target !== this.#target || (await exists(this.#next))) host.onLost();
    this.#isBeating = false;
  }
}

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

const highestLock = async (directory: string): Promise<number> => {
  let found = 0;
  for (const name of await readdir(directory)) found = Math.max(found, Number(PATTERN.exec(name)?.[1] ?? 0));
  return found;
};

/** Makes the next lock if the owner of the last one is dead. Returns its number. @throws STORE_LOCKED */
const claim = async (directory: string, self: Owner): Promise<number> => {
  for (;;) {
    const last = await highestLock(directory);
    if (last > 0 && (await isAlive(directory, last, self))) throw storeLocked();
    try {
      await symlink(encode(self), join(directory, `lock.${last + 1}`));
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      continue;
    }
    // A contender that listed the directory while old locks were removed may have made a lower lock again.
    if ((await highestLock(directory)) === last + 1) return last + 1;
  }
};

const isAlive = async (directory: string, epoch: number, self: Owner): Promise<boolean> => {
  const path = join(directory, `lock.${epoch}`);
  const owner = await ownerOf(path);
  // Released, or removed by a newer owner, which the next listing shows.
  if (owner?.boot === '' || !(await exists(path))) return false;
  // The target is damaged, so the owner is unknown: any live socket in the directory is treated as the owner's.
  if (owner === null) return acceptsAny(directory, self);
  if (owner.boot === self.boot && owner.socket !== null) return accepts(directory, owner.socket);
  // Another kernel, or no socket: a live owner updates the time of its link.
  const before = await timeOf(path);
  for (let watched = 0; watched < WATCH_MS; watched += HEARTBEAT_MS / 2) {
    await wait(HEARTBEAT_MS / 2);
    if ((await timeOf(path)) !== before) return true;
  }
  return false;
};

const encode = ({ boot, socket }: Owner): string => `${boot}|${socket ?? ''}`;

const ownerOf = async (path: string): Promise<Owner | null> => {
  const target = await readlink(path).catch(() => '');
  const bar = target.indexOf('|');
  const socket = target.slice(bar + 1);
  if (bar < 0 || (socket !== '' && !SOCKET.test(socket))) return null;
  return { boot: target.slice(0, bar), socket: socket === '' ? null : socket };
};

const timeOf = (path: string): Promise<number> =>
  lstat(path).then(
    (found) => found.mtimeMs,
    () => 0,
  );

/** Calls `use` with an address of the socket that is short enough for the system, however long the directory's path is. */
const withAddress = async <T>(
  directory: string,
  socket: string,
  use: (address: string) => Promise<T>,
): Promise<T> => {
  const path = join(directory, socket);
  if (Buffer.byteLength(path) <= ADDRESS_BYTES) return use(path);
  const handle = await open(directory, 'r');
  try {
    return await use(`/proc/self/fd/${handle.fd}/${socket}`);
  } finally {
    await handle.close();
  }
};

const listen = (directory: string, socket: string): Promise<Server | null> =>
  withAddress(
    directory,
    socket,
    (address) =>
      new Promise((done) => {
        const server = createServer((connection) => connection.destroy());
        // Before listening: the file system has no sockets, and the heartbeat alone has to suffice. Later errors come from
        // contenders that connect, and are ignored.
        server.on('error', () => done(null));
        server.listen(address, () => {
          server.unref();
          done(server);
        });
      }),
  );

const accepts = (directory: string, socket: string): Promise<boolean> =>
  withAddress(
    directory,
    socket,
    (address) =>
      new Promise((done) => {
        const connection = connect(address);
        connection.once('connect', () => {
          connection.destroy();
          done(true);
        });
        // Any other failure, such as a full backlog, means that a process holds the socket.
        connection.once('error', (error) =>
          done(!['ECONNREFUSED', 'ENOENT', 'ENOTSOCK'].includes(String(errnoOf(error)))),
        );
      }),
  );

const acceptsAny = async (directory: string, self: Owner): Promise<boolean> => {
  for (const name of await readdir(directory)) {
    if (SOCKET.test(name) && name !== self.socket && (await accepts(directory, name))) return true;
  }
  return false;
};

/** Removes the locks and sockets of dead owners. */
const removeOldLocks = async (directory: string, epoch: number): Promise<void> => {
  for (const name of await readdir(directory)) {
    const number = Number(PATTERN.exec(name)?.[1] ?? 0);
    if (number > 0 && number < epoch) {
      const owner = await ownerOf(join(directory, name));
      if (owner?.socket) await unlink(join(directory, owner.socket)).catch(() => {});
      await unlink(join(directory, name)).catch(() => {});
    }
  }
};
