import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { ExecutionContext } from 'ava';

/** What is done to the bytes of an answer: of one connection, from the server to the client. */
export interface Line {
  /** After so many bytes the connection is reset. */
  readonly cutAfter?: number;
  /** After so many bytes nothing more comes, though the connection stays. */
  readonly stallAfter?: number;
  /** Called with each piece that is passed on. */
  readonly passed?: (piece: Buffer) => void;
  /** Called when the client has closed its end. */
  readonly closed?: () => void;
}

const portOf = (url: string): number => Number(new URL(url).port);

/** One that has ended its side cannot be reset any more: Node would keep its handle for ever. */
const reset = (socket: Socket): void => {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
};

/** A place between client and server that keeps its address, whatever becomes of the connections and of the server. */
export class TcpProxy {
  /** How the next connections are treated. */
  line: () => Line = () => ({});
  /** Bytes of answers that were passed on. */
  passed = 0;
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

  /** Where new connections lead. */
  target(url: string): void {
    this.#port = portOf(url);
  }

  /** As where no server is: what comes from here on is turned away. */
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
      passed,
      closed,
    } = this.line();
    if (closed) client.once('close', closed);
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
    // an end in peace is passed on as one, behind all that was said before
    server.once('end', () => client.end());
    let bytes = 0;
    server.on('data', (data: Buffer) => {
      const piece = data.subarray(
        0,
        Math.max(0, Math.min(data.length, cutAfter - bytes, stallAfter - bytes)),
      );
      bytes += data.length;
      this.passed += piece.length;
      // the kernel has these bytes before the reset is asked for, and a reset may not drop what is on its way
      if (piece.length > 0 && !client.write(piece, bytes >= cutAfter ? cut : undefined)) {
        server.pause();
        client.once('drain', () => server.resume());
      } else if (bytes >= cutAfter && piece.length === 0) cut();
      passed?.(piece);
    });
  }
}
