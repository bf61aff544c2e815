import { lstat, open, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { errnoOf } from './disk-failure.ts';

/** The longest socket address, in bytes, that every supported system accepts. */
const ADDRESS_BYTES = 100;

/**
 * The state of an owner according to its socket. `dead` is certain: the kernel says that no process listens on the very
 * socket that the owner made. If the socket is missing or was replaced, nothing follows.
 */
export type SocketState = 'alive' | 'dead' | 'unknown';

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

/** Listens on a socket in the directory. Returns null if the file system has no sockets. */
export const listenOn = (directory: string, socket: string): Promise<Server | null> =>
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

/** Closes a server and removes its socket. */
export const closeSocket = async (
  server: Server | null,
  directory: string,
  socket: string,
): Promise<void> => {
  if (server) await new Promise<void>((done) => server.close(() => done()));
  // Closing removes the socket's file only if its address was a plain path.
  await unlink(join(directory, socket)).catch(() => {});
};

/** Returns the inode of a socket; null if there is no socket at that name. */
export const inodeOf = async (directory: string, socket: string): Promise<string | null> => {
  const found = await lstat(join(directory, socket), { bigint: true }).catch(() => null);
  return found?.isSocket() ? String(found.ino) : null;
};

const connectTo = (directory: string, socket: string): Promise<unknown> =>
  withAddress(
    directory,
    socket,
    (address) =>
      new Promise((done) => {
        const connection = connect(address);
        connection.once('connect', () => {
          connection.destroy();
          done(null);
        });
        connection.once('error', (error) => done(errnoOf(error)));
      }),
  );

/** Finds out whether the owner listens. `inode` is that of the socket that the owner made; null if it is not known. */
export const stateOfSocket = async (
  directory: string,
  socket: string,
  inode: string | null,
): Promise<SocketState> => {
  const failure = await connectTo(directory, socket);
  if (failure === 'ENOENT' || failure === 'ENOTSOCK') return 'unknown';
  // Success, or any other failure, such as a full backlog, means that a process holds the socket.
  if (failure !== 'ECONNREFUSED') return 'alive';
  const found = await inodeOf(directory, socket);
  return found !== null && (inode === null || inode === found) ? 'dead' : 'unknown';
};
