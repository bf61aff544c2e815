import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { ExecutionContext } from 'ava';

/** The treatment of one connection: its bytes from the server to the client. */
export interface Treatment {
  /** Resets the connection after this many bytes. */
  readonly cutAfter?: number;
  /** Forwards nothing after this many bytes, but keeps the connection. */
  readonly stallAfter?: number;
  /** Called with each forwarded piece. */
  readonly onForward?: (piece: Buffer) => void;
  /** Called when the client has closed the connection. */
  readonly onClose?: () => void;
}

const portOf = (url: string): number => Number(new URL(url).port);

/** Resets a socket. A socket that has ended its side is destroyed, because Node would keep its handle forever. */
const reset = (socket: Socket): void => {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
};

/** A proxy between client and server. Its address stays the same when connections are cut or the server restarts. */
export class TcpProxy {
  /** Returns the treatment of the next connection. */
  treatment: () => Treatment = () => ({});
  /** The number of bytes forwarded to clients. */
  forwarded = 0;
  connections = 0;
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (client: Socket) => this.#join(client));
  }

  static async open(t: Pick<ExecutionContext, 'teardown'> | null, target?: string): Promise<TcpProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new TcpProxy(server);
    if (target !== undefined) proxy.target(target);
    t?.teardown(() => proxy.close());
    return proxy;
  }

  /** The number of connections from clients and to the server that are open. */
  get open(): number {
    return this.#sockets.size;
  }

  /** Sets the server of new connections. */
  target(url: string): void {
    this.#port = portOf(url);
  }

  /** Resets new connections, as if no server were running. */
  untarget(): void {
    this.#port = 0;
  }

  /** Resets all connections. */
  cut(): void {
    for (const socket of this.#sockets) reset(socket);
  }

  async close(): Promise<void> {
    this.cut();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #join(client: Socket): void {
    this.connections += 1;
    const {
      cutAfter = Number.POSITIVE_INFINITY,
      stallAfter = Number.POSITIVE_INFINITY,
      onForward,
      onClose,
    } = this.treatment();
    if (onClose) client.once('close', onClose);
    if (this.#port === 0) {
      reset(client);
      return;
    }
    const server = connect(this.#port, '127.0.0.1');
    const cut = (): void => {
      reset(client);
      server.destroy();
    };
    client.once('close', () => server.destroy());
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', cut);
      socket.once('close', () => this.#sockets.delete(socket));
    }
    client.pipe(server);
    // forward a normal end as one, after all data
    server.once('end', () => client.end());
    let bytes = 0;
    server.on('data', (data: Buffer) => {
      const piece = data.subarray(
        0,
        Math.max(0, Math.min(data.length, cutAfter - bytes, stallAfter - bytes)),
      );
      bytes += data.length;
      this.forwarded += piece.length;
      // reset only after the kernel has the data, because a reset may discard data that was not sent
      if (piece.length > 0 && !client.write(piece, bytes >= cutAfter ? cut : undefined)) {
        server.pause();
        client.once('drain', () => server.resume());
      } else if (bytes >= cutAfter && piece.length === 0) cut();
      onForward?.(piece);
    });
  }
}
