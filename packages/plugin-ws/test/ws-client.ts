import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { ClientFrame, ServerFrame } from '../src/wire.ts';

export const SUBPROTOCOL = 'worker-runtime.v1';

/** A received frame as text and parsed. */
export interface Frame {
  readonly text: string;
  readonly data: ServerFrame;
}

export interface Close {
  readonly code: number;
  readonly reason: string;
}

/** Returns the stored lines in frames, byte for byte. */
export const linesIn = (frames: readonly Frame[], worker = 'ada'): readonly string[] =>
  frames.flatMap(({ text, data }) => {
    if (data.type !== 'events' || data.worker !== worker) return [];
    const lines: string[] = [];
    let rest = text.slice(text.indexOf('"items":[') + 9, -2);
    for (const item of data.items) {
      const length = JSON.stringify(item).length;
      lines.push(rest.slice(0, length));
      rest = rest.slice(length + 1);
    }
    return rest === '' ? lines : [...lines, `unread: ${rest}`];
  });

/** Returns the cursor after the last event in frames. */
export const cursorIn = (frames: readonly Frame[]): string | undefined => {
  const { data } = frames.findLast(({ data: { type } }) => type === 'events') ?? {};
  return data?.type === 'events' ? data.cursor : undefined;
};

/** Reads a socket frame by frame. */
export class WsClient {
  readonly ws: WebSocket;
  /** Resolves when the socket is closed. */
  readonly closed: Promise<Close>;
  readonly begun: ServerFrame[] = [];
  readonly #frames: Frame[] = [];
  #wake = (): void => {};
  #isClosed = false;

  constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on('error', () => {});
    ws.on('message', (raw) => {
      const text = (raw as Buffer).toString();
      const data = JSON.parse(text) as ServerFrame;
      // kept apart, since only few tests look at the start of a subscription
      if (data.type === 'subscribed' || data.type === 'watching') this.begun.push(data);
      else this.#frames.push({ text, data });
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      ws.once('close', (code, reason) => {
        this.#isClosed = true;
        this.#wake();
        resolve({ code, reason: String(reason) });
      });
    });
  }

  /** Opens a socket, waits for `hello` and sends the given messages. */
  static async open(url: string, ...asks: readonly ClientFrame[]): Promise<WsClient> {
    const client = new WsClient(new WebSocket(url, SUBPROTOCOL));
    await client.until(({ type }) => type === 'hello');
    for (const asked of asks) client.ask(asked);
    return client;
  }

  ask(frame: ClientFrame): void {
    this.ws.send(JSON.stringify(frame));
  }

  /** Takes the frames that have arrived. */
  taken(): readonly Frame[] {
    return this.#frames.splice(0);
  }

  /** Takes the next frame; null if the socket is closed. */
  async next(): Promise<Frame | null> {
    while (this.#frames.length === 0 && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#frames.shift() ?? null;
  }

  /** Takes all frames up to and including the first that matches. */
  async until(matches: (data: ServerFrame, text: string) => boolean): Promise<readonly Frame[]> {
    const frames: Frame[] = [];
    for (;;) {
      const frame = await this.next();
      if (frame === null)
        throw new Error(`the socket is closed after ${frames.map(({ text }) => text).join()}`);
      frames.push(frame);
      if (matches(frame.data, frame.text)) return frames;
    }
  }

  /** Takes all frames up to the one that ends with the stored line. */
  untilLine(line: string | undefined): Promise<readonly Frame[]> {
    if (line === undefined) throw new Error('there is no such line');
    return this.until(({ type }, text) => type === 'events' && text.endsWith(`${line}]}`));
  }

  /** Takes all frames until the socket is closed. */
  async rest(): Promise<readonly Frame[]> {
    const frames: Frame[] = [];
    for (let frame = await this.next(); frame !== null; frame = await this.next()) frames.push(frame);
    return frames;
  }

  /** Closes the socket; resolves when it is closed. */
  async close(): Promise<void> {
    this.ws.close();
    if (this.ws.readyState !== WebSocket.CLOSED) await once(this.ws, 'close');
  }
}
