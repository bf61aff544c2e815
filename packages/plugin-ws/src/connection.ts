import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { type ErrorCode, type Logger, type Runtime, RuntimeError } from '@worker-runtime/core';
import type { RawData, WebSocket } from 'ws';
import { clientFrameOf } from './client-frame.ts';
import { CLOSE_CODE_OF } from './close-code.ts';
import type { FrameCache } from './frame-cache.ts';
import { frameOf } from './frames.ts';
import { BAD_MESSAGES, helloOf } from './hello.ts';
import type { ResolvedLimits } from './options.ts';
import type { Rounds, Turn } from './send-scheduler.ts';
import { Subscriptions } from './subscriptions.ts';
import type { ClientFrame } from './wire.ts';
import { problemOf } from './wire-problem.ts';

/** What all connections of a plugin share. */
export interface Surroundings {
  readonly runtime: Runtime;
  readonly limits: ResolvedLimits;
  readonly frames: FrameCache;
  readonly rounds: Rounds;
  readonly log: Logger;
}

/** A turn ends when it has written this much; the frame that goes beyond it is the last. */
const WRITE_BYTES = 16_384;
/** Pings that wait for their answer; of more, the last ones are answered, as RFC 6455 allows. */
const PONGS = 16;
const MISSED_PONGS = 2;
/** Answers that are written at once; what is asked besides waits. */
const REPLIES = 16;

/**
 * One socket. It writes when all it wrote before has left the process: what is due by then goes out at once. While a
 * client does not read, the socket holds one write and positions, and what the client says waits unread.
 */
export class Connection implements Turn {
  /** Resolves when the socket is gone. */
  readonly closed: Promise<void>;
  isWaiting = false;
  readonly #surroundings: Surroundings;
  readonly #ws: WebSocket;
  readonly #socket: Duplex;
  readonly #correlationId: string;
  readonly #subscriptions: Subscriptions;
  readonly #replies: Buffer[] = [];
  /** What it writes in this turn. */
  readonly #taken: Buffer[] = [];
  readonly #pongs: Buffer[] = [];
  readonly #asked: ClientFrame[] = [];
  #isAnswering = false;
  #badMessages = 0;
  #finishing: ErrorCode | null = null;
  #isOver = false;
  #wroteAt = performance.now();
  #pingedAt = performance.now();
  #missedPongs = 0;

  constructor(surroundings: Surroundings, ws: WebSocket, socket: Duplex, correlationId: string) {
    const { runtime, limits, frames, rounds } = surroundings;
    this.#surroundings = surroundings;
    this.#ws = ws;
    this.#socket = socket;
    this.#correlationId = correlationId;
    this.#subscriptions = new Subscriptions({
      runtime,
      frames,
      limit: limits.subscriptions,
      due: () => rounds.add(this),
      failed: (cause) => this.#noted(cause),
    });
    this.closed = new Promise((resolve) => {
      ws.once('close', () => {
        this.#end();
        resolve();
      });
    });
    // ws closes by itself after a frame that breaks the protocol; its error says no more than that
    ws.on('error', (cause: Error) => this.#log('info', cause, 'a socket broke the protocol or was lost'));
    ws.on('message', (data, isBinary) => this.#hear(data, isBinary));
    ws.on('ping', (data) => {
      if (this.#pongs.push(data) > PONGS) this.#pongs.shift();
      rounds.add(this);
    });
    ws.on('pong', () => {
      this.#missedPongs = 0;
    });
    this.#reply(frameOf(helloOf(runtime, limits)));
  }

  /** Takes what is due, if the socket takes more. */
  prepare(now: number): void {
    if (this.#isFree) this.#take(now);
  }

  /** Writes what was taken, and does what is asked. */
  write(): void {
    if (!this.#isFree) return;
    this.#send();
    if (this.#finishing !== null && !this.#subscriptions.hasDue) {
      this.#socket.write(frameOf({ type: 'closing', reason: this.#finishing }));
      this.#close(this.#finishing);
      return;
    }
    if (!this.#isFree) return;
    if (this.#asked.length > 0) void this.#answer();
    if (this.#subscriptions.isDue) this.#surroundings.rounds.add(this);
  }

  failed(cause: unknown): void {
    this.#log('error', cause, 'a socket failed');
    this.#close('INTERNAL');
  }

  /** Says all that is due, then why it ends. */
  finish(reason: ErrorCode): void {
    this.#finishing ??= reason;
    this.#surroundings.rounds.add(this);
  }

  /** Lets go of the socket at once. */
  cut(): void {
    this.#end();
    this.#ws.terminate();
  }

  /** Called now and then: drops a peer that is gone or takes nothing, and says positions where it was quiet. */
  pulse(now: number): void {
    if (this.#isOver) return;
    const { stallMs, pingMs, bookmarkMs } = this.#surroundings.limits;
    if (this.#socket.writableLength > 0) {
      if (now - this.#wroteAt >= stallMs) {
        this.#log('info', undefined, 'a client that stopped reading is closed');
        this.#close('LIMIT_REACHED');
      }
      return;
    }
    if (now - this.#pingedAt >= pingMs && !this.#ws.isPaused) {
      if (this.#missedPongs >= MISSED_PONGS) {
        this.#log('info', undefined, 'a client that does not answer is dropped');
        this.cut();
        return;
      }
      this.#missedPongs += 1;
      this.#pingedAt = now;
      this.#wroteAt = now;
      this.#ws.ping(undefined, undefined, this.#left);
    }
    for (const bookmark of this.#subscriptions.bookmarks(now - bookmarkMs)) this.#reply(bookmark);
  }

  /** Whether all that was written before has left the process. */
  get #isFree(): boolean {
    return !this.#isOver && this.#socket.writableLength === 0;
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
    // what is due together is one write; one alone needs no collecting
    const isMore = this.#taken.length + this.#pongs.length > 1;
    if (isMore) this.#socket.cork();
    for (const pong of this.#pongs) this.#ws.pong(pong, undefined, this.#left);
    this.#pongs.length = 0;
    for (const frame of this.#taken) this.#socket.write(frame, this.#left);
    this.#taken.length = 0;
    if (isMore) this.#socket.uncork();
  }

  /** What was written may have left: whoever waits for that has a turn. */
  readonly #left = (): void => {
    if (!this.#isFree) return;
    const isAsked = this.#asked.length + this.#replies.length + this.#pongs.length > 0;
    if (this.#subscriptions.isDue || isAsked) this.#surroundings.rounds.add(this);
  };

  #reply(frame: Buffer): void {
    this.#replies.push(frame);
    this.#surroundings.rounds.add(this);
  }

  #hear(data: RawData, isBinary: boolean): void {
    if (this.#isOver || this.#finishing !== null) return;
    try {
      if (isBinary) throw new RuntimeError('INVALID_REQUEST', 'Messages are text');
      this.#asked.push(clientFrameOf((data as Buffer).toString()));
    } catch (error) {
      this.#badMessages += 1;
      this.#refuse(error, {});
      if (this.#badMessages >= BAD_MESSAGES) {
        this.#subscriptions.close();
        this.finish('INVALID_REQUEST');
        return;
      }
    }
    // what comes faster than it is answered waits with its sender
    if (this.#asked.length > 0) this.#ws.pause();
    this.#surroundings.rounds.add(this);
  }

  /** One after the other, and only while the client takes the answers. */
  async #answer(): Promise<void> {
    if (this.#isAnswering) return;
    this.#isAnswering = true;
    while (!this.#isOver && this.#finishing === null && this.#socket.writableLength === 0) {
      const asked = this.#asked.shift();
      if (asked === undefined) break;
      await this.#perform(asked);
      if (this.#replies.length >= REPLIES) break;
    }
    this.#isAnswering = false;
    if (this.#asked.length === 0) this.#ws.resume();
    else this.#surroundings.rounds.add(this);
  }

  async #perform(asked: ClientFrame): Promise<void> {
    try {
      switch (asked.op) {
        case 'subscribe': {
          const { worker, after, deltas = true, cursors = false } = asked;
          await this.#subscriptions.subscribe(worker, after ?? undefined, { deltas, cursors });
          return this.#reply(frameOf({ type: 'subscribed', worker }));
        }
        case 'unsubscribe':
          this.#subscriptions.end(asked.worker);
          return this.#reply(frameOf({ type: 'unsubscribed', worker: asked.worker }));
        case 'watch':
          this.#subscriptions.watch(asked.after ?? undefined);
          return this.#reply(frameOf({ type: 'watching' }));
        case 'unwatch':
          this.#subscriptions.end(undefined);
          return this.#reply(frameOf({ type: 'unwatched' }));
      }
    } catch (error) {
      this.#refuse(
        error,
        asked.op === 'watch' ? { watch: true } : 'worker' in asked ? { worker: asked.worker } : {},
      );
    }
  }

  #refuse(cause: unknown, about: { readonly worker?: string; readonly watch?: true }): void {
    const { error, correlationId } = this.#noted(cause);
    this.#reply(frameOf({ type: 'error', ...about, ...problemOf(error, correlationId) }));
  }

  /** Writes the full story where the operator finds it by the id that the client is told. */
  #noted(cause: unknown): { readonly error: RuntimeError; readonly correlationId: string } {
    const error = RuntimeError.from(cause);
    const correlationId = randomUUID();
    const isOurs = CLOSE_CODE_OF[error.code] === CLOSE_CODE_OF.INTERNAL;
    const story = isOurs || error.cause !== undefined ? { err: error } : { detail: error.message };
    const fields = { correlationId, connection: this.#correlationId, code: error.code, ...story };
    this.#surroundings.log[isOurs ? 'error' : 'info'](fields, 'refused');
    return { error, correlationId };
  }

  #log(level: 'info' | 'error', cause: unknown, message: string): void {
    const story = cause === undefined ? {} : { err: cause };
    this.#surroundings.log[level]({ connection: this.#correlationId, ...story }, message);
  }

  /** Starts the closing handshake; ws cuts a peer that does not join in. */
  #close(code: ErrorCode): void {
    this.#end();
    this.#ws.resume();
    this.#ws.close(CLOSE_CODE_OF[code], code);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#asked.length = 0;
    this.#replies.length = 0;
    this.#taken.length = 0;
    this.#subscriptions.close();
  }
}
