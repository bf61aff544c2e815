import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { ExecutionContext } from 'ava';

/** Forwards bytes to a server, and can cut the connection after a given number of them. */
export class TcpProxy {
  readonly port: number;
  readonly #target: number;
  #left = Number.POSITIVE_INFINITY;
  readonly #sockets = new Set<Socket>();

  private constructor(port: number, target: number) {
    this.port = port;
    this.#target = target;
  }

  static async open(t: ExecutionContext, target: number): Promise<TcpProxy> {
    const server = createServer((near) => proxy.#join(near));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy = new TcpProxy((server.address() as AddressInfo).port, target);
    t.teardown(() => {
      server.close();
      for (const socket of proxy.#sockets) socket.destroy();
    });
    return proxy;
  }

  /** Cuts the connection after this many bytes of the server, even within a frame. */
  cutAfter(bytes: number): void {
    this.#left = bytes;
  }

  #join(near: Socket): void {
    const far = connect(this.#target, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    near.on('data', (piece) => far.write(piece));
    far.on('data', (piece: Buffer) => {
      const passed = piece.subarray(0, this.#left);
      this.#left -= passed.length;
      if (this.#left > 0) near.write(passed);
      else near.end(passed, () => far.destroy());
    });
  }
}
