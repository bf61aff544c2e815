import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { ClientFrame, ServerFrame } from '../src/wire.ts';

export const SUBPROTOCOL = 'worker-runtime.v1';

/** A frame as it came, and read. */
export interface Frame {
  readonly text: string;
  readonly data: ServerFrame;
}

export interface Close {
  readonly code: number;
  readonly reason: string;
}

/** The stored lines of frames, byte for byte. */
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

/** The cursor behind the last event that frames carry. */
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
      // that a subscription begins is looked at where that is the matter
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

  /** Open, and greeted. */
  static async open(url: string, ...asks: readonly ClientFrame[]): Promise<WsClient> {
    const client = new WsClient(new WebSocket(url, SUBPROTOCOL));
    await client.until(({ type }) => type === 'hello');
    for (const asked of asks) client.ask(asked);
    return client;
  }

  ask(frame: ClientFrame): void {
    this.ws.send(JSON.stringify(frame));
  }

  /** What has come and was not taken yet. */
  taken(): readonly Frame[] {
    return this.#frames.splice(0);
  }

  /** The next frame; null where the socket is closed. */
  async next(): Promise<Frame | null> {
    while (this.#frames.length === 0 && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#frames.shift() ?? null;
  }

  /** All frames up to and with the first that fits. */
  async until(fits: (data: ServerFrame, text: string) => boolean): Promise<readonly Frame[]> {
    const frames: Frame[] = [];
    for (;;) {
      const frame = await this.next();
      if (frame === null)
        throw new Error(`the socket is closed after ${frames.map(({ text }) => text).join()}`);
      frames.push(frame);
      if (fits(frame.data, frame.text)) return frames;
    }
  }

  /** All frames until the stored line has come. */
  untilLine(line: string | undefined): Promise<readonly Frame[]> {
    if (line === undefined) throw new Error('there is no such line');
    return this.until(({ type }, text) => type === 'events' && text.endsWith(`${line}]}`));
  }

  /** All frames to the end. */
  async rest(): Promise<readonly Frame[]> {
    const frames: Frame[] = [];
    for (let frame = await this.next(); frame !== null; frame = await this.next()) frames.push(frame);
    return frames;
  }

  /** Leaves, and resolves when that is done. */
  async close(): Promise<void> {
    this.ws.close();
    if (this.ws.readyState !== WebSocket.CLOSED) await once(this.ws, 'close');
  }
}
