import type { ClientFrame, ServerFrame, WireProblem } from '@worker-runtime/plugin-ws/wire';
import type { Timing } from './options.ts';
import { foreign, RemoteError, unreachable } from './remote-error.ts';
import { opened, type StreamAsk, type StreamEvent } from './stream-event.ts';
import { StreamInbox } from './stream-inbox.ts';

const errorOf = ({ code, detail, title, retryable, details, correlationId }: WireProblem): RemoteError =>
  new RemoteError(code, detail ?? title, { details, retryable, correlationId });

const event = (name: string, data: unknown, id: string | null = null): StreamEvent => ({
  event: name,
  data,
  id,
});

/** What a frame says to the stream that it is for. */
const eventsOf = (frame: ServerFrame, runtimeId: string | null): readonly StreamEvent[] => {
  switch (frame.type) {
    case 'subscribed':
    case 'watching':
      return [opened(runtimeId)];
    case 'events':
      return frame.items.map((item, at) => event('message', item, frame.cursors?.[at] ?? null));
    case 'snapshot':
      return [event('snapshot', { worker: frame.detail, asOf: frame.asOf }, frame.asOf)];
    case 'worker':
      return [event('worker', frame.summary)];
    case 'synced':
    case 'bookmark':
      return [event(frame.type, { cursor: frame.cursor }, frame.cursor)];
    case 'ended':
      return [event('closing', { reason: frame.code })];
    default:
      return [event(frame.type, frame)];
  }
};

/** The Worker whose stream a frame is for; null for that of all of them, undefined for none. */
const streamOf = (frame: ServerFrame): string | null | undefined => {
  if (frame.type === 'hello' || frame.type === 'closing') return undefined;
  if (frame.type === 'error') return frame.watch ? null : frame.worker;
  return 'worker' in frame && typeof frame.worker === 'string' ? frame.worker : null;
};

/** The runtime was told to say no more of a Worker, and has not answered yet. */
class Leaving {
  readonly answered: Promise<void>;
  answer: () => void = () => {};

  constructor() {
    this.answered = new Promise((resolve) => {
      this.answer = resolve;
    });
  }
}

/** One WebSocket of a runtime, with at most one stream of each Worker. It closes itself when it has none any more. */
export class ObservingSocket {
  readonly #ws: WebSocket;
  readonly #silenceMs: number;
  /** By Worker, null for all; those that a place is kept for have none yet. */
  readonly #inboxes = new Map<string | null, StreamInbox | null>();
  readonly #leaving = new Map<string | null, Leaving>();
  #room = 0;
  #runtimeId: string | null = null;
  #failure: unknown = null;

  private constructor(ws: WebSocket, silenceMs: number) {
    this.#ws = ws;
    this.#silenceMs = silenceMs;
  }

  /** Open, and greeted; null where the upgrade failed, which has no reason that a browser would tell. */
  static open(ws: WebSocket, { timeoutMs, silenceMs }: Timing): Promise<ObservingSocket | null> {
    return new Promise((resolve) => {
      const socket = new ObservingSocket(ws, silenceMs);
      const lost = (): void => {
        socket.#fail(unreachable('The socket was cut off'));
        clearTimeout(late);
        resolve(null);
      };
      const late = setTimeout(() => {
        ws.close();
        lost();
      }, timeoutMs);
      ws.onmessage = ({ data }) => {
        socket.#hear(String(data));
        clearTimeout(late);
        resolve(socket.isClosed ? null : socket);
      };
      // a close should follow an error; that of Node 22 has none where the upgrade failed
      ws.onerror = lost;
      ws.onclose = lost;
    });
  }

  get isClosed(): boolean {
    return this.#failure !== null;
  }

  /** Keeps a place for a stream, to be taken by `stream`. False where there is one already, or no room. */
  reserve(worker: string | null): boolean {
    if (this.#inboxes.has(worker) || this.#inboxes.size >= this.#room) return false;
    this.#inboxes.set(worker, null);
    return true;
  }

  /** Closes it where nobody came to use it. */
  closeIfIdle(): void {
    if (this.#inboxes.size > 0) return;
    this.#fail(unreachable('The socket was closed'));
    this.#ws.close();
  }

  /** The stream that a place was kept for. @throws as `OpenStream` */
  async *stream(
    { worker, after, deltas }: StreamAsk,
    signal: AbortSignal,
  ): AsyncGenerator<StreamEvent, void> {
    const inbox = new StreamInbox();
    let from = after ?? null;
    const leave = (): void => inbox.end();
    signal.addEventListener('abort', leave, { once: true });
    this.#inboxes.set(worker, inbox);
    try {
      for (;;) {
        await this.#leaving.get(worker)?.answered;
        if (this.#failure !== null) throw this.#failure;
        if (signal.aborted) return;
        inbox.begin();
        this.#say(
          worker === null
            ? { op: 'watch', after: from }
            : { op: 'subscribe', worker, after: from, deltas, cursors: true },
        );
        let next = await this.#next(inbox);
        for (; next !== null && next !== 'full'; next = await this.#next(inbox)) {
          from = next.id ?? from;
          yield next;
        }
        if (next === null) return;
      }
    } finally {
      signal.removeEventListener('abort', leave);
      this.#forget(worker, inbox);
    }
  }

  /** A runtime says something now and then: one that does not is gone, with all that goes over this socket. */
  #next(inbox: StreamInbox): Promise<StreamEvent | 'full' | null> {
    const silent = setTimeout(() => {
      this.#fail(unreachable('The socket is silent'));
      this.#ws.close();
    }, this.#silenceMs);
    return inbox.next().finally(() => clearTimeout(silent));
  }

  #hear(text: string): void {
    let frame: ServerFrame;
    try {
      frame = JSON.parse(text) as ServerFrame;
    } catch (cause) {
      this.#fail(foreign(101, cause));
      this.#ws.close();
      return;
    }
    if (frame.type === 'hello') {
      this.#room = frame.limits.subscriptions;
      this.#runtimeId = frame.runtimeId;
    } else if (frame.type === 'unsubscribed' || frame.type === 'unwatched') {
      const worker = frame.type === 'unwatched' ? null : frame.worker;
      this.#leaving.get(worker)?.answer();
      this.#leaving.delete(worker);
    } else if (frame.type === 'closing') {
      for (const inbox of this.#inboxes.values()) inbox?.push([event('closing', frame)], 0);
    } else this.#tell(frame, text.length);
  }

  #tell(frame: ServerFrame, chars: number): void {
    const worker = streamOf(frame);
    const inbox = worker === undefined ? undefined : this.#inboxes.get(worker);
    // what is on its way of a stream that was left means nothing
    if (worker === undefined || !inbox || this.#leaving.has(worker)) return;
    if (frame.type === 'error') {
      this.#inboxes.set(worker, null);
      inbox.end(errorOf(frame));
    } else if (frame.type === 'ended') {
      this.#inboxes.set(worker, null);
      inbox.push(eventsOf(frame, this.#runtimeId), 0);
    } else if (inbox.push(eventsOf(frame, this.#runtimeId), chars)) this.#leave(worker);
  }

  #leave(worker: string | null): void {
    if (this.#leaving.has(worker)) return;
    this.#leaving.set(worker, new Leaving());
    this.#say(worker === null ? { op: 'unwatch' } : { op: 'unsubscribe', worker });
  }

  /** The stream is over, whoever ended it. */
  #forget(worker: string | null, inbox: StreamInbox): void {
    const isOn = this.#inboxes.get(worker) === inbox;
    this.#inboxes.delete(worker);
    if (this.#inboxes.size === 0) this.closeIfIdle();
    else if (isOn) this.#leave(worker);
  }

  #say(frame: ClientFrame): void {
    if (this.#failure === null) this.#ws.send(JSON.stringify(frame));
  }

  #fail(failure: unknown): void {
    this.#failure ??= failure;
    for (const inbox of this.#inboxes.values()) inbox?.end(failure);
    for (const leaving of this.#leaving.values()) leaving.answer();
  }
}
