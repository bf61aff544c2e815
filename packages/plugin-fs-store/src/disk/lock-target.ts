const SOCKET = /^lock-[0-9a-f]+\.sock$/;
const INODE = /^\d+$/;

/** The owner of a lock. It is encoded in the target of a symbolic link, which needs no block of a full disk. */
export interface Owner {
  /** The boot id of the owner's kernel; empty for a released lock. */
  readonly boot: string;
  /** The name of its socket in the directory; null if the file system has no sockets. */
  readonly socket: string | null;
  /** The inode of the socket, by which a contender knows the owner's own socket; null if it was not recorded. */
  readonly inode: string | null;
}

/** The owner of a lock that was released. */
export const RELEASED: Owner = { boot: '', socket: null, inode: null };

export const isSocketName = (name: string): boolean => SOCKET.test(name);

export const encodeOwner = ({ boot, socket, inode }: Owner): string =>
  `${boot}|${socket ?? ''}${inode === null ? '' : `|${inode}`}`;

/** Returns the owner that the target of a lock names; null if the target is damaged. */
export const decodeOwner = (target: string): Owner | null => {
  const [boot, socket, inode, ...more] = target.split('|');
  if (boot === undefined || socket === undefined || more.length > 0) return null;
  if (socket !== '' && !SOCKET.test(socket)) return null;
  if (inode !== undefined && !INODE.test(inode)) return null;
  return { boot, socket: socket === '' ? null : socket, inode: inode ?? null };
};
