import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** The treatment of one connection. */
interface Treatment {
  /** Resets the connection after this many bytes from the target. */
  readonly cutAfter?: number;
  /** Called when the client has closed the connection. */
  readonly onClose?: () => void;
}

/** Resets a socket. A socket that has ended its side is destroyed, because Node would keep its handle forever. */
const reset = (socket: Socket): void => {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
};

/** A TCP proxy in front of a server, which a test can cut and heal. Its address stays the same if the server moves. */
export class TcpProxy {
  readonly port: number;
  /** Returns the treatment of the next connection. */
  treatment: () => Treatment = () => ({});
  /** The number of connections of clients so far. */
  connections = 0;
  /** The number of bytes that came from the target. */
  bytesRead = 0;
  /** The number of bytes that were forwarded to clients. */
  forwarded = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #target: number | null;
  #isCut = false;
  #isHolding = false;
  #isDeaf = false;
  #heldBack: (() => void)[] = [];
  #reachedHold: () => void = () => {};

  private constructor(server: Server, target: number | null) {
    this.#server = server;
    this.#target = target;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (client: Socket) => this.#join(client));
  }

  /** Returns a proxy that listens. It resets connections while its target is null. */
  static async to(target: number | null): Promise<TcpProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server, target);
  }

  /** The number of connections from clients and to the target that are open. */
  get open(): number {
    return this.#sockets.size;
  }

  /** Leads later connections to another server, as a name that moves does; null resets them. Others stay. */
  lead(target: number | null): void {
    this.#target = target;
  }

  /** Resets the connections that exist. */
  reset(): void {
    for (const socket of this.#sockets) reset(socket);
  }

  /** Resets all connections, and every later one at once. */
  cut(): void {
    this.#isCut = true;
    this.reset();
  }

  /** Accepts connections again, and delivers answers. */
  heal(): void {
    this.#isCut = false;
    this.#isDeaf = false;
  }

  /** Drops everything that the target sends. */
  deafen(): void {
    this.#isDeaf = true;
  }

  /**
   * Holds back everything that clients send from now on, for connections that exist. Their clients see no answer, even if they
   * end their connections. Returns a promise of the first bytes that are held.
   */
  hold(): Promise<void> {
    this.#isHolding = true;
    return new Promise((resolve) => {
      this.#reachedHold = resolve;
    });
  }

  /** Delivers what was held back, and no longer holds. */
  deliver(): void {
    this.#isHolding = false;
    for (const send of this.#heldBack.splice(0)) send();
  }

  async close(): Promise<void> {
    this.cut();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #join(client: Socket): void {
    this.connections += 1;
    const { cutAfter = Number.POSITIVE_INFINITY, onClose } = this.treatment();
    client.on('error', () => {});
    if (onClose) client.once('close', onClose);
    if (this.#isCut || this.#target === null) {
      reset(client);
      return;
    }
    const target = connect(this.#target, '127.0.0.1');
    const cut = (): void => {
      reset(client);
      target.destroy();
    };
    for (const socket of [client, target]) {
      this.#sockets.add(socket);
      socket.on('error', cut);
      socket.once('close', () => this.#sockets.delete(socket));
    }
    this.#send(client, target);
    // forwards a normal end as one, after all data
    target.once('end', () => client.end());
    let left = cutAfter;
    target.on('data', (data: Buffer) => {
      this.bytesRead += data.length;
      if (this.#isDeaf) return;
      const piece = data.subarray(0, left);
      left -= piece.length;
      this.forwarded += piece.length;
      // resets only after the kernel has the data, because a reset may discard data that was not sent
      if (client.write(piece, left === 0 ? cut : undefined)) return;
      target.pause();
      client.once('drain', () => target.resume());
    });
  }

  /** Forwards what a client sends, or holds it back. */
  #send(client: Socket, target: Socket): void {
    const holdsBack: Buffer[] = [];
    let isOld = false;
    const send = (): void => {
      for (const chunk of holdsBack.splice(0)) target.write(chunk);
    };
    client.on('data', (chunk) => {
      if (!this.#isHolding) {
        isOld = true;
        target.write(chunk);
      } else if (isOld) {
        if (holdsBack.length === 0) this.#heldBack.push(send);
        holdsBack.push(chunk);
        this.#reachedHold();
      } else target.write(chunk);
    });
    client.on('close', () => {
      // what is held back is delivered later, as from a buffer on the way
      if (holdsBack.length === 0) target.destroy();
      else this.#heldBack.push(() => target.end());
    });
  }
}
