import type { ClientFrame, ServerFrame, WireProblem } from '@worker-runtime/plugin-ws/wire';
import type { Timing } from './options.ts';
import { notARuntime, RemoteError, unreachable } from './remote-error.ts';
import { openEvent, type StreamEvent, type StreamRequest } from './stream-event.ts';
import { StreamInbox } from './stream-inbox.ts';

const errorOf = ({ code, detail, title, retryable, details, correlationId }: WireProblem): RemoteError =>
  new RemoteError(code, detail ?? title, { details, retryable, correlationId });

const event = (name: string, data: unknown, id: string | null = null): StreamEvent => ({
  event: name,
  data,
  id,
});

/** Returns the events in a frame for its stream. */
const eventsOf = (frame: ServerFrame, runtimeId: string | null): readonly StreamEvent[] => {
  switch (frame.type) {
    case 'subscribed':
    case 'watching':
      return [openEvent(runtimeId)];
    case 'events':
      return frame.items.map((item, at) => event('message', item, frame.cursors?.[at] ?? null));
    case 'snapshot':
      return [
        event('snapshot', { worker: frame.detail, requests: frame.requests, asOf: frame.asOf }, frame.asOf),
      ];
    case 'worker':
      return [event('worker', frame.summary)];
    case 'workers':
      return frame.summaries.map((summary) => event('worker', summary));
    case 'synced':
    case 'bookmark':
      return [event(frame.type, { cursor: frame.cursor }, frame.cursor)];
    case 'ended':
      return [event('closing', { reason: frame.code })];
    default:
      return [event(frame.type, frame)];
  }
};

/** Returns the Worker whose stream a frame belongs to: null for the watch, undefined for no stream. */
const workerOf = (frame: ServerFrame): string | null | undefined => {
  if (frame.type === 'hello' || frame.type === 'closing') return undefined;
  if (frame.type === 'error') return frame.watch ? null : frame.worker;
  return 'worker' in frame && typeof frame.worker === 'string' ? frame.worker : null;
};

/** A cancelled subscription that the runtime has not confirmed yet. */
class Unsubscription {
  readonly confirmed: Promise<void>;
  confirm: () => void = () => {};

  constructor() {
    this.confirmed = new Promise((resolve) => {
      this.confirm = resolve;
    });
  }
}

/** A WebSocket to a runtime with at most one stream per Worker. It closes itself when its last stream ends. */
export class StreamSocket {
  readonly #ws: WebSocket;
  readonly #silenceMs: number;
  /** The inbox of each stream by Worker (null: the watch). A reserved stream has no inbox yet. */
  readonly #inboxes = new Map<string | null, StreamInbox | null>();
  readonly #unsubscriptions = new Map<string | null, Unsubscription>();
  #maxStreams = 0;
  /** True if the runtime can send several Workers in one frame. */
  #hasBatches = false;
  #runtimeId: string | null = null;
  #failure: unknown = null;

  private constructor(ws: WebSocket, silenceMs: number) {
    this.#ws = ws;
    this.#silenceMs = silenceMs;
  }

  /** Resolves when the runtime has sent `hello`, or with null if the upgrade failed. A browser does not report why. */
  static open(ws: WebSocket, { timeoutMs, silenceMs }: Timing): Promise<StreamSocket | null> {
    return new Promise((resolve) => {
      const socket = new StreamSocket(ws, silenceMs);
      const onLost = (): void => {
        socket.#fail(unreachable('The connection of the socket was lost'));
        clearTimeout(timeout);
        resolve(null);
      };
      const timeout = setTimeout(() => {
        ws.close();
        onLost();
      }, timeoutMs);
      ws.onmessage = ({ data }) => {
        socket.#receive(String(data));
        clearTimeout(timeout);
        resolve(socket.isClosed ? null : socket);
      };
      // close should follow error, but the WebSocket of Node 22 emits no close if the upgrade failed
      ws.onerror = onLost;
      ws.onclose = onLost;
    });
  }

  get isClosed(): boolean {
    return this.#failure !== null;
  }

  /** Reserves a stream of this Worker, for a later call of `stream`. Returns false if the Worker has one, or at the limit. */
  reserve(worker: string | null): boolean {
    if (this.#inboxes.has(worker) || this.#inboxes.size >= this.#maxStreams) return false;
    this.#inboxes.set(worker, null);
    return true;
  }

  /** Closes the socket if it has no streams. */
  closeIfIdle(): void {
    if (this.#inboxes.size > 0) return;
    this.#fail(unreachable('The socket was closed'));
    this.#ws.close();
  }

  /** Opens a reserved stream. @throws as `OpenStream` */
  async *stream(
    { worker, after, deltas }: StreamRequest,
    signal: AbortSignal,
  ): AsyncGenerator<StreamEvent, void> {
    const inbox = new StreamInbox();
    let from = after ?? null;
    const leave = (): void => inbox.end();
    signal.addEventListener('abort', leave, { once: true });
    this.#inboxes.set(worker, inbox);
    try {
      for (;;) {
        await this.#unsubscriptions.get(worker)?.confirmed;
        if (this.#failure !== null) throw this.#failure;
        if (signal.aborted) return;
        inbox.reopen();
        this.#send(
          worker === null
            ? { op: 'watch', after: from, ...(this.#hasBatches && { batch: true }) }
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
      this.#remove(worker, inbox);
    }
  }

  /** Returns the next event. A runtime sends something regularly, so silence means that the connection is dead. */
  #next(inbox: StreamInbox): Promise<StreamEvent | 'full' | null> {
    const silence = setTimeout(() => {
      this.#fail(unreachable('The socket was silent for too long'));
      this.#ws.close();
    }, this.#silenceMs);
    return inbox.next().finally(() => clearTimeout(silence));
  }

  #receive(text: string): void {
    let frame: ServerFrame;
    try {
      frame = JSON.parse(text) as ServerFrame;
    } catch (cause) {
      this.#fail(notARuntime(101, cause));
      this.#ws.close();
      return;
    }
    if (frame.type === 'hello') {
      this.#maxStreams = frame.limits.subscriptions;
      this.#hasBatches = frame.limits.batchBytes !== undefined;
      this.#runtimeId = frame.runtimeId;
    } else if (frame.type === 'unsubscribed' || frame.type === 'unwatched') {
      const worker = frame.type === 'unwatched' ? null : frame.worker;
      this.#unsubscriptions.get(worker)?.confirm();
      this.#unsubscriptions.delete(worker);
    } else if (frame.type === 'closing') {
      for (const inbox of this.#inboxes.values()) inbox?.push([event('closing', frame)], 0);
    } else this.#deliver(frame, text.length);
  }

  #deliver(frame: ServerFrame, chars: number): void {
    const worker = workerOf(frame);
    const inbox = worker === undefined ? undefined : this.#inboxes.get(worker);
    // late frames of a cancelled subscription are ignored
    if (worker === undefined || !inbox || this.#unsubscriptions.has(worker)) return;
    if (frame.type === 'error') {
      this.#inboxes.set(worker, null);
      inbox.end(errorOf(frame));
    } else if (frame.type === 'ended') {
      this.#inboxes.set(worker, null);
      inbox.push(eventsOf(frame, this.#runtimeId), 0);
    } else if (inbox.push(eventsOf(frame, this.#runtimeId), chars)) this.#unsubscribe(worker);
  }

  #unsubscribe(worker: string | null): void {
    if (this.#unsubscriptions.has(worker)) return;
    this.#unsubscriptions.set(worker, new Unsubscription());
    this.#send(worker === null ? { op: 'unwatch' } : { op: 'unsubscribe', worker });
  }

  /** Removes an ended stream. Cancels its subscription if the runtime has not ended it. */
  #remove(worker: string | null, inbox: StreamInbox): void {
    const isSubscribed = this.#inboxes.get(worker) === inbox;
    this.#inboxes.delete(worker);
    if (this.#inboxes.size === 0) this.closeIfIdle();
    else if (isSubscribed) this.#unsubscribe(worker);
  }

  #send(frame: ClientFrame): void {
    if (this.#failure === null) this.#ws.send(JSON.stringify(frame));
  }

  #fail(failure: unknown): void {
    this.#failure ??= failure;
    for (const inbox of this.#inboxes.values()) inbox?.end(failure);
    for (const unsubscription of this.#unsubscriptions.values()) unsubscription.confirm();
  }
}
