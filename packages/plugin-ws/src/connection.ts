import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { type ErrorCode, type Logger, RuntimeError } from '@worker-runtime/core';
import type { ServedRuntime } from '@worker-runtime/core/plugin-kit';
import type { RawData, WebSocket } from 'ws';
import { clientFrameOf } from './client-frame.ts';
import { CLOSE_CODE_OF } from './close-code.ts';
import type { FrameCache } from './frame-cache.ts';
import { frameOf } from './frames.ts';
import { BAD_MESSAGES, helloOf } from './hello.ts';
import type { ResolvedLimits } from './options.ts';
import type { Sender, SendScheduler } from './send-scheduler.ts';
import type { SubscriptionShares } from './subscription-shares.ts';
import { Subscriptions } from './subscriptions.ts';
import { frameMemory } from './text-frame.ts';
import type { UnreadBytes } from './upgrade-source.ts';
import type { ClientFrame } from './wire.ts';
import { wireProblemOf } from './wire-problem.ts';

/** The services that all connections of a plugin share. */
export interface ConnectionContext {
  readonly limits: ResolvedLimits;
  readonly frames: FrameCache;
  readonly scheduler: SendScheduler;
  readonly shares: SubscriptionShares;
  readonly log: Logger;
}

/** One connection as its source hands it over. */
export interface Accepted {
  /** The runtime that the connection is about, as its caller may use it. */
  readonly runtime: ServedRuntime;
  /** The name of the caller; null if callers are not identified. */
  readonly caller: string | null;
  readonly ws: WebSocket;
  readonly socket: Duplex;
  readonly unread: UnreadBytes;
}

/** A connection takes frames for one write until they have this many bytes. */
const WRITE_BYTES = 16_384;
/** The most pings that await a pong. Of more, only the last ones are answered, as RFC 6455 allows. */
const MAX_PONGS = 16;
const MISSED_PONGS = 2;
/** The pause before the next attempt of a connection that finds no room for its write. */
const ROOM_MS = 20;
/** The most replies in one write; further messages of the client wait. */
const MAX_REPLIES = 16;

/**
 * One socket. It writes only after its last write has left the process, and then writes everything that is due at once.
 * A client that does not read therefore costs one write and positions, and its own messages stay unread.
 */
export class Connection implements Sender {
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>;
  isQueued = false;
  readonly #context: ConnectionContext;
  readonly #ws: WebSocket;
  readonly #socket: Duplex;
  readonly #unread: UnreadBytes;
  readonly #correlationId: string;
  readonly #subscriptions: Subscriptions;
  readonly #replies: Buffer[] = [];
  /** The frames of the next write. */
  readonly #taken: Buffer[] = [];
  /** The frames of the last write, until it has left the process. */
  readonly #leaving: Buffer[] = [];
  readonly #pongs: Buffer[] = [];
  /** Messages of the client that are not answered yet. */
  readonly #received: ClientFrame[] = [];
  #isAnswering = false;
  #badMessages = 0;
  #finishing: ErrorCode | null = null;
  #isClosed = false;
  /** True while bytes wait for the client. Most writes leave the process at once. */
  #isHolding = false;
  /** True while the unread bytes of all clients leave no room for a write. */
  #lacksRoom = false;
  #wroteAt = performance.now();
  #pingedAt = performance.now();
  #missedPongs = 0;

  constructor(
    context: ConnectionContext,
    { runtime, caller, ws, socket, unread }: Accepted,
    correlationId: string,
  ) {
    const { limits, frames, scheduler, shares } = context;
    this.#context = context;
    this.#ws = ws;
    this.#socket = socket;
    this.#unread = unread;
    this.#correlationId = correlationId;
    this.#subscriptions = new Subscriptions({
      runtime,
      frames,
      limit: limits.subscriptions,
      take: () => shares.take(runtime, caller),
      due: () => scheduler.add(this),
      failed: (cause) => this.#logError(cause),
      moved: () => this.finish('RUNTIME_MOVED'),
    });
    this.closed = new Promise((resolve) => {
      ws.once('close', () => {
        this.#release();
        resolve();
      });
    });
    // after a protocol violation ws closes the socket itself, so there is nothing left to do but log
    ws.on('error', (cause: Error) => this.#log('info', cause, 'a socket violated the protocol or was lost'));
    ws.on('message', (data, isBinary) => this.#receive(data, isBinary));
    ws.on('ping', (data) => {
      if (this.#pongs.push(data) > MAX_PONGS) this.#pongs.shift();
      scheduler.add(this);
    });
    ws.on('pong', () => {
      this.#missedPongs = 0;
    });
    this.#reply(frameOf(helloOf(runtime, limits)));
  }

  /** Takes the frames that are due, if the last write has left. */
  prepare(now: number): void {
    if (!this.#canWrite || this.#lacksRoom) return;
    if (this.#unread.hasRoom(WRITE_BYTES)) this.#take(now);
    else this.#waitForRoom();
  }

  /** Writes the taken frames, and starts to answer messages of the client. */
  write(): void {
    if (!this.#canWrite || this.#lacksRoom) return;
    this.#send();
    const unread = this.#socket.writableLength;
    this.#hold(unread);
    if (unread === 0) this.#releaseLeft();
    if (this.#finishing !== null && !this.#subscriptions.hasPending) {
      this.#socket.write(frameOf({ type: 'closing', reason: this.#finishing }));
      this.#close(this.#finishing);
      return;
    }
    if (unread > 0 || this.#isClosed) return;
    if (this.#received.length > 0) void this.#answer();
    if (this.#subscriptions.hasNext) this.#context.scheduler.add(this);
  }

  /** Closes the socket after an error in `prepare` or `write`. */
  failed(cause: unknown): void {
    this.#log('error', cause, 'a socket failed');
    this.#close('INTERNAL');
  }

  /** Sends everything that is due, then the `closing` frame, and closes. */
  finish(reason: ErrorCode): void {
    this.#finishing ??= reason;
    this.#context.scheduler.add(this);
  }

  /**
   * Sends nothing more but the `closing` frame, and closes. A client that has not read what it was sent by the time that clients have
   * when the runtime stops is disconnected.
   */
  cutOff(reason: ErrorCode): void {
    this.#subscriptions.close();
    this.finish(reason);
    setTimeout(() => {
      if (this.#isClosed) return;
      this.#log('info', undefined, 'disconnected a client that stopped reading');
      this.terminate();
    }, this.#context.limits.drainMs).unref();
  }

  /** Destroys the socket without a close frame. */
  terminate(): void {
    this.#release();
    this.#ws.terminate();
  }

  /** Called periodically. Disconnects a peer that is gone or does not read, and sends bookmarks of quiet subscriptions. */
  pulse(now: number): void {
    if (this.#isClosed) return;
    const { stallMs, pingMs, bookmarkMs } = this.#context.limits;
    if (this.#socket.writableLength > 0) {
      if (now - this.#wroteAt >= stallMs) {
        this.#log('info', undefined, 'disconnected a client that stopped reading');
        this.#close('LIMIT_REACHED');
      }
      return;
    }
    if (now - this.#pingedAt >= pingMs && !this.#ws.isPaused) {
      if (this.#missedPongs >= MISSED_PONGS) {
        this.#log('info', undefined, 'disconnected a client that does not answer pings');
        this.terminate();
        return;
      }
      this.#missedPongs += 1;
      this.#pingedAt = now;
      this.#wroteAt = now;
      this.#ws.ping(undefined, undefined, this.#flushed);
    }
    for (const bookmark of this.#subscriptions.bookmarks(now - bookmarkMs)) this.#reply(bookmark);
  }

  /** True if the socket is open and its last write has left the process. */
  get #canWrite(): boolean {
    return !this.#isClosed && this.#socket.writableLength === 0;
  }

  /** Tries again soon. The wait ends, since the source disconnects clients that stop reading. */
  #waitForRoom(): void {
    this.#lacksRoom = true;
    setTimeout(() => {
      this.#lacksRoom = false;
      this.#context.scheduler.add(this);
    }, ROOM_MS).unref();
  }

  #take(now: number): void {
    const frames = this.#taken;
    let bytes = 0;
    for (const reply of this.#replies) {
      frames.push(reply);
      bytes += reply.length;
    }
    this.#replies.length = 0;
    while (bytes < WRITE_BYTES) {
      const frame = this.#subscriptions.next(now);
      if (frame === null) break;
      frames.push(frame);
      bytes += frame.length;
    }
    if (frames.length + this.#pongs.length > 0) this.#wroteAt = now;
  }

  #send(): void {
    // several frames become one write; a single one needs no buffering
    const hasSeveral = this.#taken.length + this.#pongs.length > 1;
    if (hasSeveral) this.#socket.cork();
    for (const pong of this.#pongs) this.#ws.pong(pong, undefined, this.#flushed);
    this.#pongs.length = 0;
    for (const frame of this.#taken) {
      this.#socket.write(frame, this.#flushed);
      if (frameMemory.suits(frame.length)) this.#leaving.push(frame);
    }
    this.#taken.length = 0;
    if (hasSeveral) this.#socket.uncork();
  }

  /** Tells the source how many bytes wait for the client. */
  #hold(bytes: number): void {
    if (bytes === 0 && !this.#isHolding) return;
    this.#isHolding = bytes > 0;
    this.#unread.hold(bytes);
  }

  /** Called when a write has left the process. Schedules the next one if there is anything to send. */
  readonly #flushed = (): void => {
    if (!this.#canWrite) return;
    this.#hold(0);
    this.#releaseLeft();
    const hasReplies = this.#received.length + this.#replies.length + this.#pongs.length > 0;
    if (this.#subscriptions.hasNext || hasReplies || this.#finishing !== null)
      this.#context.scheduler.add(this);
  };

  /** Gives back the memory of frames that have left the process. */
  #releaseLeft(): void {
    if (this.#isClosed) return;
    for (const frame of this.#leaving) frameMemory.release(frame);
    this.#leaving.length = 0;
  }

  #reply(frame: Buffer): void {
    this.#replies.push(frame);
    this.#context.scheduler.add(this);
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#isClosed || this.#finishing !== null) return;
    try {
      if (isBinary) throw new RuntimeError('INVALID_REQUEST', 'Messages must be text');
      this.#received.push(clientFrameOf((data as Buffer).toString()));
    } catch (error) {
      this.#badMessages += 1;
      this.#refuse(error, {});
      if (this.#badMessages >= BAD_MESSAGES) {
        this.cutOff('INVALID_REQUEST');
        return;
      }
    }
    // a client that sends faster than it is answered has to wait
    if (this.#received.length > 0) this.#ws.pause();
    this.#context.scheduler.add(this);
  }

  /** Answers the received messages in order, and only while the client reads the answers. */
  async #answer(): Promise<void> {
    if (this.#isAnswering) return;
    this.#isAnswering = true;
    while (!this.#isClosed && this.#finishing === null && this.#socket.writableLength === 0) {
      const frame = this.#received.shift();
      if (frame === undefined) break;
      await this.#perform(frame);
      if (this.#replies.length >= MAX_REPLIES) break;
    }
    this.#isAnswering = false;
    if (this.#received.length === 0) this.#ws.resume();
    else this.#context.scheduler.add(this);
  }

  async #perform(frame: ClientFrame): Promise<void> {
    try {
      switch (frame.op) {
        case 'subscribe': {
          const { worker, after, deltas = true, cursors = false } = frame;
          await this.#subscriptions.subscribe(worker, after ?? undefined, { deltas, cursors });
          return this.#reply(frameOf({ type: 'subscribed', worker }));
        }
        case 'unsubscribe':
          this.#subscriptions.unsubscribe(frame.worker);
          return this.#reply(frameOf({ type: 'unsubscribed', worker: frame.worker }));
        case 'watch':
          this.#subscriptions.watch(frame.after ?? undefined, frame.batch ?? false);
          return this.#reply(frameOf({ type: 'watching' }));
        case 'unwatch':
          this.#subscriptions.unsubscribe(undefined);
          return this.#reply(frameOf({ type: 'unwatched' }));
      }
    } catch (error) {
      this.#refuse(
        error,
        frame.op === 'watch' ? { watch: true } : 'worker' in frame ? { worker: frame.worker } : {},
      );
    }
  }

  #refuse(cause: unknown, about: { readonly worker?: string; readonly watch?: true }): void {
    const { error, correlationId } = this.#logError(cause);
    this.#reply(frameOf({ type: 'error', ...about, ...wireProblemOf(error, correlationId) }));
  }

  /** Logs an error under a new correlation id, which the client also receives. */
  #logError(cause: unknown): { readonly error: RuntimeError; readonly correlationId: string } {
    const error = RuntimeError.from(cause);
    const correlationId = randomUUID();
    const isServerError = CLOSE_CODE_OF[error.code] === CLOSE_CODE_OF.INTERNAL;
    const report = isServerError || error.cause !== undefined ? { err: error } : { detail: error.message };
    const fields = { correlationId, connection: this.#correlationId, code: error.code, ...report };
    this.#context.log[isServerError ? 'error' : 'info'](fields, 'refused');
    return { error, correlationId };
  }

  #log(level: 'info' | 'error', cause: unknown, message: string): void {
    const report = cause === undefined ? {} : { err: cause };
    this.#context.log[level]({ connection: this.#correlationId, ...report }, message);
  }

  /** Starts the closing handshake. ws disconnects a peer that does not complete it. */
  #close(code: ErrorCode): void {
    this.#release();
    this.#ws.resume();
    this.#ws.close(CLOSE_CODE_OF[code], code);
  }

  #release(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#received.length = 0;
    this.#replies.length = 0;
    this.#taken.length = 0;
    // forgotten and not released: the socket may still be writing them
    this.#leaving.length = 0;
    this.#hold(0);
    this.#subscriptions.close();
  }
}
