import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const HEAD_END = '\r\n\r\n';

interface Waiting {
  readonly resolve: (body: string) => void;
  readonly reject: (error: Error) => void;
}

/** Returns the length of the head and of the whole response at the start of the bytes, or null if the head is incomplete. */
const lengthsOf = (bytes: Buffer): { readonly head: number; readonly all: number } | null => {
  const end = bytes.indexOf(HEAD_END);
  if (end === -1) return null;
  const head = end + HEAD_END.length;
  const text = bytes.toString('latin1', 0, head);
  const length = /^content-length: (\d+)\r$/im.exec(text)?.[1];
  if (!text.startsWith('HTTP/1.1 200') || length === undefined)
    throw new Error(`This client does not understand the answer ${bytes.toString()}`);
  return { head, all: head + Number(length) };
};

/** A persistent connection that sends one request at a time. Of HTTP, it knows only where a response ends, so it costs little. */
export class HttpConnection {
  readonly #socket: Socket;
  readonly #host: string;
  #bytes: Buffer = Buffer.alloc(0);
  #waiting: Waiting | null = null;

  private constructor(socket: Socket, host: string) {
    this.#socket = socket;
    this.#host = host;
    socket.on('data', (piece: Buffer) => this.#receive(piece));
    socket.on('error', (error) => this.#waiting?.reject(error));
    socket.on('close', () => this.#waiting?.reject(new Error('The server has closed the connection')));
  }

  static async open(port: number): Promise<HttpConnection> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new HttpConnection(socket, `127.0.0.1:${port}`);
  }

  /** Sends a request. Returns the body of its answer. @throws Error the status is not 200 */
  post(path: string, headers: Readonly<Record<string, string>>, body: string): Promise<string> {
    let head = `POST ${path} HTTP/1.1\r\nhost: ${this.#host}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
    for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(`${head}\r\n${body}`);
    });
  }

  close(): void {
    this.#waiting = null;
    this.#socket.destroy();
  }

  #receive(piece: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? piece : Buffer.concat([this.#bytes, piece]);
    try {
      const lengths = lengthsOf(this.#bytes);
      if (!lengths || this.#bytes.length < lengths.all) return;
      const body = this.#bytes.toString('utf8', lengths.head, lengths.all);
      this.#bytes = this.#bytes.subarray(lengths.all);
      this.#waiting?.resolve(body);
    } catch (error) {
      this.#waiting?.reject(error as Error);
    }
  }
}

/** Opens a number of connections. */
export const connections = (port: number, count: number): Promise<readonly HttpConnection[]> =>
  Promise.all(Array.from({ length: count }, () => HttpConnection.open(port)));
