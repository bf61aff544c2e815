import type { ServerResponse } from 'node:http';
import type { AnswerLimit } from '../traffic/answer-limit.ts';
import type { Transfer } from '../traffic/byte-total.ts';
import { isSliced, slicesOf } from '../traffic/slices.ts';
import type { HttpRequest } from './http-request.ts';

type HeaderValue = string | string[];

/** The headers that describe the items of a page. */
const PAGE_HEADERS = ['page-next', 'page-as-of', 'page-gaps'];

/** Returns the content type of a text. JSON is UTF-8, and says so. */
const typeOfText = (type: string): string =>
  type.includes('json') && !type.includes('charset') ? `${type}; charset=utf-8` : type;

/** The answer to a request: its status and headers, and then its body, which are sent in one write. */
export class HttpReply {
  readonly raw: ServerResponse;
  /** The time at which the request began, as `performance.now()`. */
  readonly startedAt = performance.now();
  /** The bytes of the answer that its client has not read yet; null before the answer. */
  transfer: Transfer | null = null;
  readonly #request: HttpRequest;
  readonly #limit: AnswerLimit;
  readonly #headers: Record<string, HeaderValue>;
  #isDone = false;
  /** True if the client waits with its body until it is asked for it. */
  #isBodyHeldBack: boolean;

  constructor(request: HttpRequest, raw: ServerResponse, limit: AnswerLimit) {
    this.raw = raw;
    this.#request = request;
    this.#limit = limit;
    const { expect } = request.headers;
    this.#isBodyHeldBack = expect !== undefined && /^100-continue$/i.test(expect);
    this.#headers = {
      'x-request-id': request.id,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    };
  }

  get statusCode(): number {
    return this.raw.statusCode;
  }

  /** True if the answer was sent, or another part has taken it over. */
  get isDone(): boolean {
    return this.#isDone;
  }

  code(status: number): this {
    this.raw.statusCode = status;
    return this;
  }

  /** Sets a header. Its name is in lower case. */
  header(name: string, value: HeaderValue): this {
    this.#headers[name] = value;
    return this;
  }

  headers(headers: Readonly<Record<string, HeaderValue>>): this {
    for (const name in headers) this.#headers[name.toLowerCase()] = headers[name] as HeaderValue;
    return this;
  }

  /** Adds a value to a header that several parts of the server may set, such as `vary`, or a cookie to the others. */
  append(name: 'vary' | 'set-cookie', value: string): this {
    const before = this.#headers[name];
    if (before === undefined) return this.header(name, value);
    return this.header(name, name === 'vary' ? `${String(before)}, ${value}` : [before, value].flat());
  }

  hasHeader(name: string): boolean {
    return this.#headers[name] !== undefined;
  }

  removeHeader(name: string): this {
    delete this.#headers[name];
    return this;
  }

  /** Returns the response with the headers set, for a caller who writes it. */
  rawWithHeaders(): ServerResponse {
    for (const name in this.#headers) this.raw.setHeader(name, this.#headers[name] as HeaderValue);
    return this.raw;
  }

  type(contentType: string): this {
    this.#headers['content-type'] = contentType;
    return this;
  }

  /** Asks for the body of a client that waits with it (`Expect: 100-continue`). */
  askForBody(): void {
    if (!this.#isBodyHeldBack) return;
    this.#isBodyHeldBack = false;
    this.raw.writeContinue();
  }

  /** Leaves the answer to the caller, who writes to `raw`. */
  hijack(): this {
    this.#isDone = true;
    return this;
  }

  /**
   * Sends the answer: bytes, a text, or any other value as JSON.
   * @throws LIMIT_REACHED the answer to a read has no room beside those that clients have not read yet
   */
  send(value?: unknown): this {
    // the client may send the body or another request now, which look alike
    if (this.#isBodyHeldBack) this.#headers.connection = 'close';
    if (value === undefined) return this.#sendHead();
    const body = this.#bodyOf(value);
    const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    const { raw } = this;
    const isHead = this.#request.method === 'HEAD';
    // a client that has gone reads nothing, but its answer is recorded
    if (!isHead && !raw.destroyed) this.transfer = this.#hold(bytes);
    this.#headers['content-length'] = String(bytes);
    this.#isDone = true;
    raw.writeHead(raw.statusCode, this.#headers);
    if (isHead) raw.end();
    else if (isSliced(bytes)) this.#sendSlices(typeof body === 'string' ? Buffer.from(body) : body);
    else raw.end(body);
    return this;
  }

  #hold(bytes: number): Transfer {
    try {
      return this.#limit.hold(this.#request, bytes);
    } catch (error) {
      // the refusal is no page
      for (const name of PAGE_HEADERS) this.removeHeader(name);
      throw error;
    }
  }

  #sendHead(): this {
    const { raw } = this;
    if (raw.statusCode !== 204 && raw.statusCode !== 304) this.#headers['content-length'] ??= '0';
    this.#isDone = true;
    raw.writeHead(raw.statusCode, this.#headers);
    raw.end();
    return this;
  }

  #sendSlices(bytes: Buffer): void {
    const slices = slicesOf(bytes, () => this.#limit.progress(this.transfer));
    this.raw.once('close', () => slices.destroy());
    slices.pipe(this.raw);
  }

  /** Returns the bytes of the answer, and sets their type if there is none. */
  #bodyOf(value: unknown): string | Buffer {
    const headers = this.#headers;
    const type = headers['content-type'];
    if (value instanceof Uint8Array) {
      if (type === undefined) headers['content-type'] = 'application/octet-stream';
      return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
    if (typeof type === 'string') headers['content-type'] = typeOfText(type);
    else
      headers['content-type'] =
        typeof value === 'string' ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8';
    return typeof value === 'string' ? value : JSON.stringify(value);
  }
}
