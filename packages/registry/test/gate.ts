import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP address in front of a server that can be cut, hang, or lead to another server. */
export class Gate {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #target: URL | null = null;
  #isHanging = false;

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => this.#accept(socket));
  }

  static async open(): Promise<Gate> {
    const server = createServer({ allowHalfOpen: true });
    const gate = new Gate(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return gate;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Leads new connections to this server; null refuses them. Open ones stay. */
  lead(url: string | null): void {
    this.#isHanging = false;
    this.#target = url === null ? null : new URL(url);
  }

  /** Closes every connection, also new ones. */
  cut(): void {
    this.lead(null);
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Accepts connections and never answers. Open connections are silent. */
  hang(): void {
    this.#isHanging = true;
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: Socket): void {
    this.#keep(socket);
    if (this.#isHanging) return;
    if (this.#target === null) return void socket.destroy();
    const other = connect(Number(this.#target.port), this.#target.hostname);
    this.#keep(other);
    other.setNoDelay();
    socket.setNoDelay();
    socket.pipe(other).pipe(socket);
    // what has arrived still goes out
    socket.once('close', () => other.destroySoon());
    other.once('close', () => socket.destroySoon());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket));
  }
}
