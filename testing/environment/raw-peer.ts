import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** One frame after RFC 6455. */
export interface RawFrame {
  readonly opcode: number;
  readonly payload: Buffer;
  readonly isFinal?: boolean;
  readonly isMasked?: boolean;
  /** The three reserved bits. */
  readonly reserved?: number;
}

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

const lengthOf = (length: number): Buffer => {
  if (length < 126) return Buffer.from([length]);
  const isShort = length < 65_536;
  const bytes = Buffer.alloc(isShort ? 3 : 9);
  bytes[0] = isShort ? 126 : 127;
  if (isShort) bytes.writeUInt16BE(length, 1);
  else bytes.writeBigUInt64BE(BigInt(length), 1);
  return bytes;
};

/** Encodes a frame of a client, masked with zeros, or an invalid one. */
export const rawFrame = ({
  opcode,
  payload,
  isFinal = true,
  isMasked = true,
  reserved = 0,
}: RawFrame): Buffer => {
  const length = lengthOf(payload.length);
  if (isMasked) length[0] = (length[0] ?? 0) | 0x80;
  return Buffer.concat([
    Buffer.from([(isFinal ? 0x80 : 0) | (reserved << 4) | opcode]),
    length,
    Buffer.alloc(isMasked ? 4 : 0),
    payload,
  ]);
};

export const textFrame = (value: unknown): Buffer =>
  rawFrame({ opcode: OPCODE.text, payload: Buffer.from(JSON.stringify(value)) });

/** Decodes the unmasked frames of a server from a stream of bytes. */
export class FrameReader {
  #bytes: Buffer = Buffer.alloc(0);

  push(piece: Buffer): readonly RawFrame[] {
    this.#bytes = Buffer.concat([this.#bytes, piece]);
    const frames: RawFrame[] = [];
    for (let frame = this.#take(); frame; frame = this.#take()) frames.push(frame);
    return frames;
  }

  #take(): RawFrame | null {
    const bytes = this.#bytes;
    if (bytes.length < 2) return null;
    const [first, second] = bytes as unknown as [number, number];
    const head = second < 126 ? 2 : second === 126 ? 4 : 10;
    if (bytes.length < head) return null;
    const length =
      head === 2 ? second : head === 4 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    if (bytes.length < head + length) return null;
    this.#bytes = bytes.subarray(head + length);
    return { opcode: first & 0x0f, isFinal: first > 0x7f, payload: bytes.subarray(head, head + length) };
  }
}

export interface Upgrade {
  readonly path?: string;
  readonly headers?: readonly string[];
}

/** Returns an upgrade request. */
export const upgradeRequest = ({ path = '/v1/runtimes/self/stream', headers }: Upgrade = {}): string =>
  [
    `GET ${path} HTTP/1.1`,
    ...(headers ?? [
      'host: localhost',
      'connection: Upgrade',
      'upgrade: websocket',
      'sec-websocket-version: 13',
      `sec-websocket-key: ${randomBytes(16).toString('base64')}`,
      'sec-websocket-protocol: worker-runtime.v1',
    ]),
    '\r\n',
  ].join('\r\n');

/** Sends a request and returns everything that arrives until the peer closes the connection. */
export const answerTo = async (url: string, request: string): Promise<string> => {
  const socket = await dial(url);
  let text = '';
  socket.setEncoding('latin1').on('data', (piece: string) => {
    text += piece;
  });
  socket.on('error', () => {});
  socket.write(request);
  if (!socket.closed) await once(socket, 'close');
  return text;
};

const dial = async (url: string): Promise<Socket> => {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  await once(socket, 'connect');
  return socket;
};

/** A peer that can send any bytes. */
export class RawPeer {
  readonly socket: Socket;
  readonly frames: RawFrame[] = [];
  /** Resolves with the code of the close frame, or null if there was none. */
  readonly closed: Promise<number | null>;
  #awaited = 0;

  private constructor(socket: Socket, rest: Buffer) {
    this.socket = socket;
    const reader = new FrameReader();
    const read = (piece: Buffer): void => {
      this.frames.push(...reader.push(piece));
      if (this.frames.at(-1)?.opcode === OPCODE.close) socket.end();
    };
    read(rest);
    socket.on('data', read);
    socket.on('error', () => {});
    this.closed = once(socket, 'close').then(() => {
      const close = this.frames.find(({ opcode }) => opcode === OPCODE.close);
      return close && close.payload.length > 1 ? close.payload.readUInt16BE(0) : null;
    });
  }

  static async open(url: string): Promise<RawPeer> {
    const socket = await dial(url);
    socket.write(upgradeRequest({ path: new URL(url).pathname }));
    let head = Buffer.alloc(0);
    while (!head.includes('\r\n\r\n')) {
      const [piece] = (await once(socket, 'data')) as [Buffer];
      head = Buffer.concat([head, piece]);
    }
    return new RawPeer(socket, head.subarray(head.indexOf('\r\n\r\n') + 4));
  }

  /** Resolves when all bytes have left the process. */
  send(...frames: readonly Buffer[]): Promise<void> {
    return new Promise((resolve) => {
      this.socket.write(Buffer.concat(frames), () => resolve());
    });
  }

  /** Resolves at the next frame, after the last one that was awaited, that has these words near its beginning. */
  async received(words: string): Promise<void> {
    for (;;) {
      const frame = this.frames[this.#awaited];
      if (!frame) await once(this.socket, 'data');
      else {
        this.#awaited += 1;
        if (frame.payload.subarray(0, 200).includes(words)) return;
      }
    }
  }

  /** Returns the text messages of the server. */
  messages(): readonly { readonly type: string; readonly code?: string }[] {
    return this.frames
      .filter(({ opcode }) => opcode === OPCODE.text)
      .map(({ payload }) => JSON.parse(payload.toString()));
  }
}
