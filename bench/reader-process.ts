import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { ReadersPlan } from './readers.ts';

/** The request that opens a WebSocket to a runtime. */
export const upgradeTo = (runtime: string): string =>
  [
    `GET /v1/runtimes/${runtime}/stream HTTP/1.1`,
    'host: localhost',
    'connection: Upgrade',
    'upgrade: websocket',
    'sec-websocket-version: 13',
    'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==',
    'sec-websocket-protocol: worker-runtime.v1',
    '\r\n',
  ].join('\r\n');

/** The request for all events of the Worker `ada` as a stream of server-sent events. */
export const streamOf = (runtime: string): string =>
  [
    `GET /v1/runtimes/${runtime}/workers/ada/events?after=start HTTP/1.1`,
    'host: localhost',
    'accept: text/event-stream',
    '\r\n',
  ].join('\r\n');

/** Returns the WebSocket frame of a message from a client as latin1 text, masked with zeros. */
export const maskedMessage = (message: object): string => {
  const text = JSON.stringify(message);
  const length =
    text.length < 126 ? [text.length | 0x80] : [126 | 0x80, text.length >> 8, text.length & 0xff];
  return String.fromCharCode(0x81, ...length, 0, 0, 0, 0) + text;
};

/** Readers in their own process. */
export class ReaderProcess {
  readonly #child: ChildProcess;
  #reports = 0;
  #wake = (): void => {};

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', () => {
      this.#reports += 1;
      this.#wake();
    });
  }

  /** Starts the readers. Resolves when all of them have connected and sent their requests. */
  static async start(plan: ReadersPlan): Promise<ReaderProcess> {
    const child = fork(new URL('readers.ts', import.meta.url), { execArgv: ['--import', 'tsx'] });
    const readers = new ReaderProcess(child);
    await readers.done();
    child.send(plan);
    await readers.done();
    return readers;
  }

  /** Resolves the next time that all readers have received what they wait for. */
  async done(): Promise<void> {
    while (this.#reports === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#reports -= 1;
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}
