import { randomBytes } from 'node:crypto';
import { type BigIntStats, statSync } from 'node:fs';
import {
  type FileHandle,
  lstat,
  lutimes,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  stat,
  symlink,
  unlink,
} from 'node:fs/promises';
import type { Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { RuntimeError } from '@worker-runtime/core';
import { errnoOf, unavailable } from './disk-failure.ts';
import { isQuickToExamine } from './file-system.ts';
import { closeSocket, inodeOf, listenOn, stateOfSocket } from './lock-socket.ts';
import { decodeOwner, encodeOwner, isSocketName, type Owner, RELEASED } from './lock-target.ts';
import type { Ownership } from './ownership.ts';

const HEARTBEAT_MS = 1_000;
/** The time without a heartbeat after which an owner is treated as dead, if no socket shows that it is alive. */
const WATCH_MS = 10_000;
const POLL_MS = 500;
const NS_PER_SECOND = 1_000_000_000n;
/** How often the names are read again while they are changing, and the pause before the last of these attempts. */
const ATTEMPTS = 5;
const BACK_OFF_MS = 100;
const PATTERN = /^lock\.(\d+)$/;
/** A released lock on its way to its name. */
const TEMPORARY = /^lock\.\d+\.released$/;
/** Names that show that a directory contains a store. */
const STORE_NAMES: readonly string[] = ['catalog.json', 'wal', 'workers', 'runtime.json'];

/** The services that a lock needs from the store that takes it. */
export interface LockHost {
  /** Runs a job that uses the disk in sequence with the store's other calls. */
  run(job: () => Promise<void>): Promise<void>;
  /** Called once, with a STORE_LOST error, when the directory is lost. From then on this process must not write. */
  onLost(failure: RuntimeError): void;
}

interface Held {
  readonly handle: FileHandle;
  readonly identity: BigIntStats;
  readonly isQuick: boolean;
  readonly server: Server | null;
  readonly owner: Owner;
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

const numberOf = (name: string): number => Number(PATTERN.exec(name)?.[1] ?? 0);

/**
 * The lock of a directory. Links named `lock.<n>` are made by `symlink`, which succeeds for one contender only. The
 * highest one is the lock, and its target names the owner, as in Emacs' lock files. The owner is dead if the kernel refuses
 * connections to its socket: the kernel closes a socket with its process, and a reused process id cannot be mistaken for
 * the owner. A missing file proves nothing, because anyone may remove files. Then the heartbeat decides: the time of the
 * link, which the owner updates every second. A released lock stays in the directory, because its number is the writer's
 * epoch.
 *
 * Invariant: between a claim of another process and the moment at which it reads the store, the claim is visible. The
 * owner checks with `confirm` after each write, before it acknowledges it, so either the owner sees the claim, or the
 * claimant finds what was written. This holds even if the liveness of the owner was judged wrongly.
 */
export class DirectoryLock implements Ownership {
  readonly epoch: number;
  readonly #isQuick: boolean;
  readonly #directory: string;
  readonly #path: string;
  readonly #target: string;
  readonly #host: LockHost;
  /** Keeps the directory's inode from being reused, so that a new directory at the path is recognized. */
  readonly #handle: FileHandle;
  readonly #identity: BigIntStats;
  readonly #socket: string | null;
  /** Lower locks that could not be removed when this one was taken. */
  readonly #older: ReadonlySet<number>;
  readonly #heartbeat: NodeJS.Timeout;
  #server: Server | null;
  #inode: string | null;
  #beating: Promise<void> | null = null;
  /** The state of the directory at which its names were found in order; null if its times cannot be relied on. */
  #confirmed: BigIntStats | null = null;
  #loss: RuntimeError | null = null;

  private constructor(
    directory: string,
    epoch: number,
    older: ReadonlySet<number>,
    { handle, identity, isQuick, server, owner }: Held,
    host: LockHost,
  ) {
    this.epoch = epoch;
    this.#isQuick = isQuick;
    this.#directory = directory;
    this.#path = join(directory, `lock.${epoch}`);
    this.#target = encodeOwner(owner);
    this.#host = host;
    this.#handle = handle;
    this.#identity = identity;
    this.#socket = owner.socket;
    this.#inode = owner.inode;
    this.#server = server;
    this.#older = older;
    this.#heartbeat = setInterval(() => {
      this.#beating ??= host
        .run(() => this.#beat())
        .finally(() => {
          this.#beating = null;
        });
    }, HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  /** Takes the lock. @throws STORE_LOCKED its owner is alive · STORE_UNAVAILABLE the directory cannot be used */
  static async take(directory: string, host: LockHost): Promise<DirectoryLock> {
    const socket = `lock-${randomBytes(6).toString('hex')}.sock`;
    let server: Server | null = null;
    let handle: FileHandle | null = null;
    try {
      handle = await open(directory, 'r');
      const identity = await handle.stat({ bigint: true });
      server = await listenOn(directory, socket);
      const inode = server && (await inodeOf(directory, socket));
      const owner: Owner = { boot: await bootId(), socket: server ? socket : null, inode };
      const epoch = await claim(directory, owner);
      const older = await removeOldLocks(directory, epoch);
      const isQuick = await isQuickToExamine(directory);
      const held = { handle, identity, isQuick, server, owner };
      return new DirectoryLock(directory, epoch, older, held, host);
    } catch (error) {
      await closeSocket(server, directory, socket);
      await handle?.close();
      throw error instanceof RuntimeError
        ? error
        : unavailable('The directory of the store cannot be used', error);
    }
  }

  async confirm(): Promise<RuntimeError | null> {
    if (this.#loss) return this.#loss;
    let found: BigIntStats;
    try {
      found = await stat(this.#directory, { bigint: true });
    } catch (error) {
      const isGone = ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(String(errnoOf(error)));
      return isGone
        ? this.#lose('The directory of the store was moved or deleted')
        : unavailable('The directory of the store cannot be examined', error);
    }
    if (found.ino !== this.#identity.ino || found.dev !== this.#identity.dev)
      return this.#lose('Another directory is at the path of the store');
    if (this.#isAsConfirmed(found)) return this.#loss;
    return this.#examine(found);
  }

  isUnchanged(): boolean {
    if (!this.#isQuick || this.#confirmed === null || this.#loss) return false;
    try {
      return this.#isAsConfirmed(statSync(this.#directory, { bigint: true }));
    } catch {
      return false;
    }
  }

  /** Compares the times of a directory, which every name that is made, removed or renamed in it changes. */
  #isAsConfirmed({ dev, ino, mtimeNs, ctimeNs }: BigIntStats): boolean {
    const known = this.#confirmed;
    if (known === null || known.dev !== dev || known.ino !== ino) return false;
    return known.mtimeNs === mtimeNs && known.ctimeNs === ctimeNs;
  }

  /** Releases the lock. After a loss, nothing in the directory is touched but the socket of this process. */
  async release(): Promise<void> {
    clearInterval(this.#heartbeat);
    await this.#beating;
    // The next owner needs no proof of death.
    if ((await this.confirm()) === null) await this.#markReleased().catch(() => {});
    if (this.#socket) await closeSocket(this.#server, this.#directory, this.#socket);
    await this.#handle.close();
  }

  /** Replaces the target of the lock, whose number stays. */
  async #markReleased(): Promise<void> {
    const temporary = `${this.#path}.released`;
    await unlink(temporary).catch(() => {});
    await symlink(encodeOwner(RELEASED), temporary);
    try {
      await rename(temporary, this.#path);
    } catch (error) {
      await unlink(temporary).catch(() => {});
      throw error;
    }
  }

  /** Reads all names in the directory. `before` is the state of the directory before that. */
  async #examine(before: BigIntStats): Promise<RuntimeError | null> {
    const begun = Date.now();
    try {
      for (let attempt = 1; ; attempt += 1) {
        const problem = await this.#problem();
        if (problem === null) break;
        if (problem === 'taken' || attempt === ATTEMPTS)
          return this.#lose('Another process has taken over the store');
        // A contender that finds this lock after it made a lower one removes the lower one at once.
        if (problem === 'contended') await wait(BACK_OFF_MS);
      }
    } catch (error) {
      return unavailable('The lock of the store cannot be examined', error);
    }
    const isSettled = begun - Number(before.mtimeMs) > clockStepMs(before);
    this.#confirmed = isSettled ? before : null;
    return this.#loss;
  }

  /**
   * Looks for claims of other processes. Makes the lock again if its link is missing: then a contender may have found no
   * lock, and have made one with any number.
   */
  async #problem(): Promise<'taken' | 'missing' | 'contended' | null> {
    const numbers = (await readdir(this.#directory)).map(numberOf).filter((number) => number > 0);
    if (numbers.some((number) => number > this.epoch)) return 'taken';
    if (!numbers.includes(this.epoch)) {
      await symlink(this.#target, this.#path).catch((error: unknown) => {
        if (errnoOf(error) !== 'EEXIST') throw error;
      });
      return 'missing';
    }
    const target = await readlink(this.#path).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return null;
      // Not a link: it was damaged, and is no claim.
      if (errnoOf(error) === 'EINVAL') return this.#target;
      throw error;
    });
    if (target === null) return 'missing';
    if (target !== this.#target && decodeOwner(target) !== null) return 'taken';
    return numbers.some((number) => number < this.epoch && !this.#older.has(number)) ? 'contended' : null;
  }

  async #beat(): Promise<void> {
    this.#confirmed = null;
    if (await this.confirm()) return;
    const now = new Date();
    await lutimes(this.#path, now, now).catch(() => {});
    await this.#keepSocket();
  }

  /** Makes the socket again if its file was removed or replaced. */
  async #keepSocket(): Promise<void> {
    const socket = this.#socket;
    if (socket === null) return;
    const inode = await inodeOf(this.#directory, socket);
    if (this.#server && inode !== null && inode === this.#inode) return;
    // The old server is closed first, because closing it removes the name.
    await closeSocket(this.#server, this.#directory, socket);
    this.#server = await listenOn(this.#directory, socket).catch(() => null);
    this.#inode = this.#server && (await inodeOf(this.#directory, socket));
  }

  #lose(message: string): RuntimeError {
    if (this.#loss) return this.#loss;
    this.#loss = new RuntimeError('STORE_LOST', message);
    clearInterval(this.#heartbeat);
    void this.#handle.close().catch(() => {});
    this.#host.onLost(this.#loss);
    return this.#loss;
  }
}

/**
 * Returns the age above which a time of a directory shows that nothing has changed since. The clock of a file system
 * advances in steps: up to 10 ms on common ones, up to two seconds on those that store whole seconds.
 */
const clockStepMs = ({ mtimeNs }: BigIntStats): number => (mtimeNs % NS_PER_SECOND === 0n ? 2_500 : 100);

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

const highestOf = (names: readonly string[]): number => Math.max(0, ...names.map(numberOf));

/** Makes the next lock if the owner of the last one is dead. Returns its number. @throws STORE_LOCKED */
const claim = async (directory: string, self: Owner): Promise<number> => {
  for (;;) {
    const names = await readdir(directory);
    const last = highestOf(names);
    const state = last > 0 ? await stateOf(directory, last, self) : await stateWithoutLock(directory, names);
    if (state === 'alive') throw storeLocked();
    if (state === 'changed') continue;
    const path = join(directory, `lock.${last + 1}`);
    try {
      await symlink(encodeOwner(self), path);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      continue;
    }
    // A contender that listed the directory while old locks were removed, or while the owner's link was missing, may have
    // made a lower lock.
    if (highestOf(await readdir(directory)) === last + 1) return last + 1;
    await unlink(path).catch(() => {});
  }
};

type OwnerState = 'alive' | 'dead' | 'changed';

const stateOf = async (directory: string, epoch: number, self: Owner): Promise<OwnerState> => {
  const path = join(directory, `lock.${epoch}`);
  const target = await readlink(path).catch(() => null);
  // Removed, by a newer owner or by anyone else: the next listing shows which.
  if (target === null && !(await exists(path))) return 'changed';
  const owner = target === null ? null : decodeOwner(target);
  // The target is damaged, so the owner is unknown: any live socket in the directory is treated as the owner's.
  if (owner === null) return (await acceptsAny(directory, self)) ? 'alive' : 'dead';
  if (owner.boot === '') return 'dead';
  const isSameBoot = owner.boot === self.boot;
  if (isSameBoot && owner.socket !== null) {
    const state = await stateOfSocket(directory, owner.socket, owner.inode);
    if (state !== 'unknown') return state;
  }
  return stateByHeartbeat(path, isSameBoot);
};

/** Watches the time of a lock, which a live owner updates. The clock of another kernel cannot be compared. */
const stateByHeartbeat = async (path: string, isSameBoot: boolean): Promise<OwnerState> => {
  const before = await timeOf(path);
  for (let watchedMs = 0; watchedMs < WATCH_MS; watchedMs += POLL_MS) {
    if (isSameBoot && Date.now() - before > WATCH_MS) return 'dead';
    await wait(POLL_MS);
    const now = await timeOf(path);
    if (now === 0) return 'changed';
    if (now !== before) return 'alive';
  }
  return 'dead';
};

/**
 * The state of a directory without any lock. A store that was released keeps its lock, so the lock of a used store was
 * removed, and a live owner makes it again within one heartbeat.
 */
const stateWithoutLock = async (directory: string, names: readonly string[]): Promise<OwnerState> => {
  if (!STORE_NAMES.some((name) => names.includes(name))) return 'dead';
  for (let watchedMs = 0; watchedMs < WATCH_MS; watchedMs += POLL_MS) {
    await wait(POLL_MS);
    if (highestOf(await readdir(directory)) > 0) return 'changed';
  }
  return 'dead';
};

const timeOf = (path: string): Promise<number> =>
  lstat(path).then(
    (found) => found.mtimeMs,
    () => 0,
  );

const acceptsAny = async (directory: string, self: Owner): Promise<boolean> => {
  for (const name of await readdir(directory)) {
    const isOther = isSocketName(name) && name !== self.socket;
    if (isOther && (await stateOfSocket(directory, name, null)) === 'alive') return true;
  }
  return false;
};

/** Removes the locks and sockets of dead owners. Returns the numbers of the locks that cannot be removed. */
const removeOldLocks = async (directory: string, epoch: number): Promise<ReadonlySet<number>> => {
  const left = new Set<number>();
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const number = numberOf(name);
    if (TEMPORARY.test(name)) await unlink(path).catch(() => {});
    if (number === 0 || number >= epoch) continue;
    const owner = decodeOwner(await readlink(path).catch(() => ''));
    if (owner?.socket) await unlink(join(directory, owner.socket)).catch(() => {});
    await unlink(path).catch(() => left.add(number));
  }
  return left;
};
