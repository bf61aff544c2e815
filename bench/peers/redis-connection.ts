import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A reply of Redis: a text, a number, nothing, or several replies. */
export type Reply = string | number | null | readonly Reply[];

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

/** A reply at the start of the bytes that were received, and where it ends. */
interface Parsed {
  readonly reply: Reply | Error;
  readonly end: number;
}

/** Parses the reply that begins at a place. Returns null if it is incomplete. */
const parse = (bytes: Buffer, start: number): Parsed | null => {
  const lineEnd = bytes.indexOf('\r\n', start);
  if (lineEnd === -1) return null;
  const line = bytes.toString('utf8', start + 1, lineEnd);
  let end = lineEnd + 2;
  switch (String.fromCharCode(bytes[start] as number)) {
    case '+':
      return { reply: line, end };
    case '-':
      return { reply: new Error(line), end };
    case ':':
      return { reply: Number(line), end };
    case '$': {
      const length = Number(line);
      if (length === -1) return { reply: null, end };
      if (bytes.length < end + length + 2) return null;
      return { reply: bytes.toString('utf8', end, end + length), end: end + length + 2 };
    }
    case '*': {
      const replies: Reply[] = [];
      for (let at = 0; at < Number(line); at += 1) {
        const element = parse(bytes, end);
        if (!element) return null;
        if (element.reply instanceof Error) return element;
        replies.push(element.reply);
        end = element.end;
      }
      return { reply: replies, end };
    }
    default:
      throw new Error(`Redis sent a reply that this client does not know: ${line}`);
  }
};

const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;

/** A connection to Redis. Commands of one turn of the event loop leave in one write, and replies come in the order of the commands. */
export class RedisConnection {
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #bytes: Buffer = Buffer.alloc(0);
  #pending = '';

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (piece: Buffer) => this.#receive(piece));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('Redis has closed the connection')));
  }

  static async open(port: number): Promise<RedisConnection> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new RedisConnection(socket);
  }

  /** Sends a command. @throws Error Redis refuses it */
  send(...words: readonly string[]): Promise<Reply> {
    if (this.#pending === '') setImmediate(() => this.#flush());
    this.#pending += `*${words.length}\r\n${words.map(bulk).join('')}`;
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  close(): void {
    this.#waiting.length = 0;
    this.#socket.destroy();
  }

  #flush(): void {
    this.#socket.write(this.#pending);
    this.#pending = '';
  }

  #receive(piece: Buffer): void {
    const bytes = this.#bytes.length === 0 ? piece : Buffer.concat([this.#bytes, piece]);
    let at = 0;
    for (let parsed = parse(bytes, at); parsed !== null; parsed = parse(bytes, at)) {
      at = parsed.end;
      const waiting = this.#waiting.shift();
      if (parsed.reply instanceof Error) waiting?.reject(parsed.reply);
      else waiting?.resolve(parsed.reply);
      if (at === bytes.length) break;
    }
    this.#bytes = bytes.subarray(at);
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
