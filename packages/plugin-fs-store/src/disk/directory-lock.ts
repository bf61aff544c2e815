import { randomBytes } from 'node:crypto';
import { lstat, lutimes, open, readdir, readFile, readlink, symlink, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { RuntimeError } from '@worker-runtime/core';
import { errnoOf, unavailable } from './disk-failure.ts';

const HEARTBEAT_MS = 1_000;
/** How long the heartbeat of an owner elsewhere is watched before it is taken for dead. */
const WATCH_MS = 10_000;
/** Bytes that a socket's address may have, on the narrowest system. */
const ADDRESS_BYTES = 100;
const SOCKET = /^lock-[0-9a-f]+\.sock$/;
const PATTERN = /^lock\.(\d+)$/;

/** What a lock says of its owner: the target of a symbolic link, which takes no block of a full disk. */
interface Owner {
  /** Empty for a lock that was released. */
  readonly boot: string;
  /** Name of its socket in the directory; null where the file system has no sockets. */
  readonly socket: string | null;
}

interface Held {
  readonly server: Server | null;
  readonly socket: string;
  /** Where the lock points. */
  readonly target: string;
}

/** What a lock needs of the store that takes it. */
export interface LockHost {
  /** Runs what touches the disk in turn with the store's other calls. */
  run(job: () => Promise<void>): Promise<void>;
  /** Another process took the lock after it saw no heartbeat, from another machine: nothing may be written any more. */
  onLost(): void;
}

/** Says which run of which kernel this is: sockets tell the living from the dead only within one. */
const bootId = async (): Promise<string> => {
  try {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  } catch {
    return `host:${hostname()}`;
  }
};

const locked = (): RuntimeError => new RuntimeError('STORE_LOCKED', 'Another process uses the store');

/**
 * The lock of a directory. Links `lock.<n>` are made by `symlink`, which succeeds for one contender only, and the
 * holder is the highest; where they point says who that is, as in Emacs' lock files. It lives while its socket accepts: the kernel closes that with the process, however it ends, and a
 * process id that is used again means nothing. A lock stays when it is released, since its number is the
 * writer's epoch.
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

  /** @throws STORE_LOCKED its owner lives · STORE_UNAVAILABLE the directory cannot be used */
  static async take(directory: string, host: LockHost): Promise<DirectoryLock> {
    const socket = `lock-${randomBytes(6).toString('hex')}.sock`;
    let server: Server | null = null;
    try {
      server = await listen(directory, socket);
      const self: Owner = { boot: await bootId(), socket: server ? socket : null };
      const epoch = await claim(directory, self);
      await clear(directory, epoch);
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
      // Closing takes the socket's file away only where its address was a plain path.
      await unlink(this.#socket).catch(() => {});
    } else {
      // No socket says that this owner is gone: the next number does, before anybody asks.
      await symlink(encode({ boot: '', socket: null }), this.#next).catch(() => {});
    }
  }

  async #beat(host: LockHost): Promise<void> {
    const now = new Date();
    await lutimes(this.#path, now, now).catch(() => {});
    // Taken away by hand, it is made again; unless another made it, or the next one, its own.
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

const highest = async (directory: string): Promise<number> => {
  let found = 0;
  for (const name of await readdir(directory)) found = Math.max(found, Number(PATTERN.exec(name)?.[1] ?? 0));
  return found;
};

/** Makes the next lock, once the one before has no living owner. */
const claim = async (directory: string, self: Owner): Promise<number> => {
  for (;;) {
    const last = await highest(directory);
    if (last > 0 && (await isAlive(directory, last, self))) throw locked();
    try {
      await symlink(encode(self), join(directory, `lock.${last + 1}`));
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      continue;
    }
    // A contender may have listed while locks were cleared away, and made a low one again.
    if ((await highest(directory)) === last + 1) return last + 1;
  }
};

const isAlive = async (directory: string, epoch: number, self: Owner): Promise<boolean> => {
  const path = join(directory, `lock.${epoch}`);
  const owner = await ownerOf(path);
  // Released, or cleared away by a newer holder, whom the next listing shows.
  if (owner?.boot === '' || !(await exists(path))) return false;
  // Nobody can tell whose it is: then any socket in the directory that somebody holds is taken for its.
  if (owner === null) return acceptsAny(directory, self);
  if (owner.boot === self.boot && owner.socket !== null) return accepts(directory, owner.socket);
  // Another kernel, or no socket to ask: an owner that lives moves its file's time.
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

/** Calls `use` with an address of the socket that the system takes, however long the directory's path is. */
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
        // A file system without sockets: the heartbeat alone has to do. A later one is of somebody who only asked.
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
        // Any other failure (a full backlog, say) is one of a socket that somebody holds.
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

/** Takes the locks and sockets of dead owners away. */
const clear = async (directory: string, epoch: number): Promise<void> => {
  for (const name of await readdir(directory)) {
    const number = Number(PATTERN.exec(name)?.[1] ?? 0);
    if (number > 0 && number < epoch) {
      const owner = await ownerOf(join(directory, name));
      if (owner?.socket) await unlink(join(directory, owner.socket)).catch(() => {});
      await unlink(join(directory, name)).catch(() => {});
    }
  }
};
