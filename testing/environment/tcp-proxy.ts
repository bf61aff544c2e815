import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP proxy in front of a server, which a test can cut and heal. */
export class TcpProxy {
  readonly #server: Server;
  #target: number;
  readonly #sockets = new Set<Socket>();
  #isCut = false;
  #isHolding = false;
  #isDeaf = false;
  #heldBack: (() => void)[] = [];
  #reachedHold: () => void = () => {};
  /** The number of bytes that came from the target. */
  bytesRead = 0;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((client) => this.#join(client));
  }

  static async to(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** Ends all connections, and every later one at once. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Leads later connections to another server, as a name that moves does. Ends the others. */
  lead(target: number): void {
    this.cut();
    this.#target = target;
    this.heal();
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
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket): void {
    if (this.#isCut) {
      client.destroy();
      return;
    }
    const target = connect(this.#target, '127.0.0.1');
    const holdsBack: Buffer[] = [];
    let isOld = false;
    const send = (): void => {
      for (const chunk of holdsBack.splice(0)) target.write(chunk);
    };
    for (const socket of [client, target]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    }
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
    target.on('data', (chunk) => {
      this.bytesRead += chunk.length;
      if (!this.#isDeaf) client.write(chunk);
    });
    target.on('close', () => client.destroy());
  }
}
