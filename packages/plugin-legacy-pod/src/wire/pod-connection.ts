import { connect, type Socket } from 'node:net';
import { StringDecoder } from 'node:string_decoder';
import { objectAt, textAt } from '../records/record-fields.ts';
import { type PodEvent, type PodSnapshot, podEvent, podSnapshot } from './pod-event.ts';
import { methodLine, type PodMethod } from './pod-method.ts';

/** The connection to a pod failed. The message is for the operator and is never published. */
class PodUnreachableError extends Error {
  override readonly name = 'PodUnreachableError';
}

export interface Opened {
  readonly connection: PodConnection;
  readonly snapshot: PodSnapshot;
}

export interface ConnectionEvents {
  /** Called for every event after the snapshot, and for the alerts before it. */
  readonly onEvent: (event: PodEvent) => void;
  /** Called once when the connection has closed, also after a call of `close`. */
  readonly onClose: () => void;
}

/** A snapshot with the whole segment of a long conversation is one line. */
const MAX_LINE_CHARS = 256 * 1_048_576;

/** A connection to a pod's socket. */
export class PodConnection {
  readonly #socket: Socket;
  readonly #events: ConnectionEvents;
  readonly #decoder = new StringDecoder('utf8');
  #pieces: string[] = [];
  #chars = 0;
  #onFirst: ((snapshot: PodEvent) => void) | null;

  private constructor(socket: Socket, events: ConnectionEvents, onFirst: (snapshot: PodEvent) => void) {
    this.#socket = socket;
    this.#events = events;
    this.#onFirst = onFirst;
    socket.on('data', (bytes: Buffer) => this.#take(this.#decoder.write(bytes)));
  }

  /**
   * Connects and waits for the snapshot, which names the pod.
   * @throws PodUnreachableError no pod answers in time, or a pod of another name answers
   */
  static open(path: string, name: string, timeoutMs: number, events: ConnectionEvents): Promise<Opened> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      let isOpen = false;
      const fail = (reason: string, cause?: unknown): void => {
        clearTimeout(timer);
        socket.destroy();
        reject(new PodUnreachableError(reason, { cause }));
      };
      const timer = setTimeout(() => fail('no snapshot in time'), timeoutMs);
      const connection = new PodConnection(socket, events, ({ data }) => {
        if (textAt(objectAt(data, 'greeting') ?? {}, 'pod_name') !== name) return fail('another pod answers');
        clearTimeout(timer);
        isOpen = true;
        resolve({ connection, snapshot: podSnapshot(data) });
      });
      socket.on('error', (cause) => {
        if (!isOpen) fail('the socket failed', cause);
      });
      socket.on('close', () => {
        if (isOpen) events.onClose();
        else fail('closed before the snapshot');
      });
    });
  }

  send(method: PodMethod): void {
    if (this.#socket.writable) this.#socket.write(methodLine(method));
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(text: string): void {
    let from = 0;
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', from)) {
      const line = this.#pieces.join('') + text.slice(from, at);
      this.#pieces = [];
      this.#chars = 0;
      from = at + 1;
      this.#line(line);
    }
    if (from < text.length) {
      this.#pieces.push(text.slice(from));
      this.#chars += text.length - from;
      if (this.#chars > MAX_LINE_CHARS) this.close();
    }
  }

  #line(line: string): void {
    const event = line.trim() === '' ? null : podEvent(line);
    if (!event) return;
    if (event.event === 'snapshot') {
      const first = this.#onFirst;
      this.#onFirst = null;
      first?.(event);
    } else this.#events.onEvent(event);
  }
}

/** Reads the pod's present snapshot over a short connection of its own. @throws PodUnreachableError */
export const takeSnapshot = async (path: string, name: string, timeoutMs: number): Promise<PodSnapshot> => {
  const { connection, snapshot } = await PodConnection.open(path, name, timeoutMs, {
    onEvent: () => {},
    onClose: () => {},
  });
  connection.close();
  return snapshot;
};
