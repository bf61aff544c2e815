import { type JsonObject, RuntimeError } from '@worker-runtime/core';
import { AnswerFailure, reportedFailure } from './answer-failure.ts';
import { type AnswerPiece, type AnswerProtocol, isObject } from './answer-protocol.ts';
import { finishKind } from './finish-reason.ts';
import { type ServerEvent, ServerEvents } from './server-events.ts';

/** Receives the signs of life of a provider: the pieces of its answer, and everything else that it sends. */
export interface Activity {
  output(): void;
  alive(): void;
}

/** Observes one request to a model. */
export interface RequestObserver extends Activity {
  /** Takes the failure of an answer that has begun to be shown. */
  failed(error: unknown): void;
}

/** The time that a finished answer has for its usage and its end, in milliseconds. */
const FINISH_GRACE_MS = 2_000;

/** The time that a server has to close its response after the end of the answer. Then the connection can be reused. */
const END_GRACE_MS = 100;

const encode = (events: readonly JsonObject[]): string =>
  events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('');

const isBlank = (text: string): boolean => text.trim() === '';

/** Resolves with the promise, or with null after a time. */
const within = async <T>(promise: Promise<T>, ms: number): Promise<T | null> => {
  if (ms <= 0) {
    promise.catch(() => {});
    return null;
  }
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

/**
 * One response of a provider as a stream that the AI SDK accepts. Events that are no part of the answer are left out,
 * nothing undoes an answer after its finish, and a response is held back until it has something to show, so that a
 * failure before that can be followed by another attempt.
 */
export class RegularAnswer {
  readonly #response: Response;
  readonly #events: ServerEvents;
  readonly #protocol: AnswerProtocol;
  readonly #observer: RequestObserver;
  readonly #signal: AbortSignal | null | undefined;
  #finish: string | null = null;
  /** The time at which a finished answer ends, even if its response does not. */
  #deadline = 0;
  #hasEnded = false;
  #isClosed = false;
  #hasCalls = false;
  #isShown = false;
  #hasText = false;
  /** The first event that was no part of the answer. */
  #foreign = '';

  constructor(
    response: Response,
    body: ReadableStream<Uint8Array>,
    protocol: AnswerProtocol,
    observer: RequestObserver,
    signal: AbortSignal | null | undefined,
  ) {
    this.#response = response;
    this.#events = new ServerEvents(body, () => observer.alive());
    this.#protocol = protocol;
    this.#observer = observer;
    this.#signal = signal;
  }

  /**
   * Reads until there is something to show, or until the end. Tool calls are not shown before the answer is complete.
   * @throws AnswerFailure · the reason of an abort · OUTPUT_TOO_LARGE
   */
  async begin(mayRepeat: boolean): Promise<Response> {
    const held: string[] = [];
    try {
      while (!this.#isShown) {
        const text = await this.#next();
        if (text === null) break;
        held.push(text);
      }
      if (mayRepeat && this.#isEmpty()) throw this.#failure('empty', 'The answer is empty');
    } catch (error) {
      this.#events.cancel();
      throw error;
    }
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        try {
          const text = held.shift() ?? (await this.#next());
          if (text !== null) return controller.enqueue(encoder.encode(text));
          controller.close();
        } catch (error) {
          if (this.#signal?.aborted) controller.error(error);
          else {
            // An error of the stream would discard the text before it that was not read yet.
            this.#observer.failed(error);
            controller.enqueue(encoder.encode(encode([this.#protocol.failure()])));
            controller.close();
          }
        }
        this.#events.cancel();
      },
      cancel: () => this.#events.cancel(),
    });
    const { status, headers } = this.#response;
    return new Response(body, { status, headers });
  }

  /** True for an answer without a word or a call, unless its finish explains that. */
  #isEmpty(): boolean {
    const kind = finishKind(this.#finish ?? '');
    return !this.#isShown && !this.#hasCalls && kind !== 'length' && kind !== 'content-filter';
  }

  /** Returns the next part of the regular stream, or null at its end. */
  async #next(): Promise<string | null> {
    for (;;) {
      if (this.#isClosed) return null;
      const event = await this.#event();
      if (event === null) return this.#close();
      const events = this.#take(event);
      if (events.length > 0) return encode(events);
    }
  }

  async #event(): Promise<ServerEvent | null> {
    const next = this.#events.next();
    if (this.#finish !== null) return within(next, this.#deadline - performance.now()).catch(() => null);
    try {
      return await next;
    } catch (error) {
      this.#signal?.throwIfAborted();
      if (error instanceof RuntimeError) throw error;
      const { message, cause } = error instanceof Error ? error : new Error(String(error));
      const why = cause instanceof Error ? `${message}: ${cause.message}` : message;
      throw this.#failure('early', `The connection broke before the answer was complete: ${why}`);
    }
  }

  #take({ name, data }: ServerEvent): readonly JsonObject[] {
    if (this.#hasEnded) return [];
    if (/^\[?DONE\]?$/.test(data.trim())) return this.#end([]);
    const event = this.#parsed(data);
    const value = event && event.type === undefined && name !== '' ? { ...event, type: name } : event;
    if (value && this.#finish === null) {
      const error = this.#protocol.errorIn(name, value);
      if (error !== null) throw reportedFailure(error, this.#response.headers);
    }
    const piece = value && this.#protocol.read(value);
    if (!piece) {
      if (this.#foreign === '') this.#foreign = data;
      this.#observer.alive();
      return [];
    }
    return this.#note(piece);
  }

  #parsed(data: string): JsonObject | null {
    try {
      const value: unknown = JSON.parse(data);
      return isObject(value) ? value : null;
    } catch {
      // A damaged event may have had a part of the answer.
      if (this.#finish === null && data.trimStart().startsWith('{'))
        throw this.#failure('early', 'An event of the answer is damaged', data);
      return null;
    }
  }

  #note({ events, text = '', reasoning = '', hasCall = false, finish, isEnd = false }: AnswerPiece) {
    if (text !== '' || reasoning !== '' || hasCall) this.#observer.output();
    else this.#observer.alive();
    this.#hasText ||= !isBlank(text);
    this.#isShown ||= !isBlank(text) || !isBlank(reasoning);
    this.#hasCalls ||= hasCall;
    if (finish !== undefined && this.#finish === null) {
      if (finishKind(finish) === 'error')
        throw this.#failure('reported', `The provider finished the answer with an error: ${finish}`);
      this.#finish = finish;
    }
    // Also extended by content that comes later: some servers give a reason in each event.
    if (this.#finish !== null && (finish !== undefined || text !== '' || hasCall))
      this.#deadline = performance.now() + FINISH_GRACE_MS;
    return isEnd ? this.#end(events) : events;
  }

  /** Ends the answer. Without a finish reason it counts as finished, if there is an answer at all. */
  #end(events: readonly JsonObject[]): readonly JsonObject[] {
    this.#hasEnded = true;
    this.#deadline = performance.now() + END_GRACE_MS;
    if (this.#finish !== null) return events;
    if (!this.#hasText && !this.#hasCalls)
      throw this.#failure(
        'empty',
        'The stream ended without an answer',
        this.#foreign || this.#events.unusable,
      );
    const finish = this.#protocol.finish(this.#hasCalls);
    this.#finish = this.#hasCalls ? 'tool_calls' : 'stop';
    return [...events, ...finish];
  }

  /** Ends the stream at the end of the response. */
  #close(): string {
    this.#isClosed = true;
    if (this.#finish !== null) return encode(this.#protocol.end());
    const foreign = this.#foreign || this.#events.unusable;
    if (foreign === '' || this.#isShown || this.#hasCalls)
      throw this.#failure('early', 'The stream ended before the answer was complete', foreign);
    const type = this.#response.headers.get('content-type') ?? 'no content type';
    throw this.#failure('foreign', `The provider sent no streamed answer, but ${type}`, foreign);
  }

  #failure(kind: 'early' | 'reported' | 'empty' | 'foreign', message: string, body = ''): AnswerFailure {
    const { headers } = this.#response;
    return new AnswerFailure(kind, message, { headers, ...(body !== '' && { body }) });
  }
}
