/** One event of a streamed response. The name is empty if the server gave none. */
export interface ServerEvent {
  readonly name: string;
  readonly data: string;
}

const FIELD = /^(data|event|id|retry)(?:: ?(.*))?$/s;

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

/**
 * Reads the events of a response. Besides server-sent events, it reads one JSON value in each line, and a body that is
 * one JSON value, because some servers ignore that a stream was requested. `alive` is called for each comment
 * and each empty line, with which servers keep a connection open.
 */
export class ServerEvents {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #alive: () => void;
  readonly #decoder = new TextDecoder();
  readonly #ready: ServerEvent[] = [];
  /** The pieces of the line that has not ended yet. They are joined once, so a long line costs no repeated copies. */
  #line: string[] = [];
  #endsWithReturn = false;
  #name = '';
  #data: string[] | null = null;
  /** The lines that are no part of an event. */
  #unusable: string[] = [];
  #hasEvents = false;
  #isOver = false;

  constructor(body: ReadableStream<Uint8Array>, alive: () => void) {
    this.#reader = body.getReader();
    this.#alive = alive;
  }

  /** The text that is no part of an event. */
  get unusable(): string {
    return [...this.#unusable, this.#line.join('')].join('\n').trim();
  }

  /** Returns the next event, or null at the end of the response. @throws as the body does */
  async next(): Promise<ServerEvent | null> {
    while (this.#ready.length === 0 && !this.#isOver) {
      const { done, value } = await this.#reader.read();
      this.#split(done ? this.#decoder.decode() : this.#decoder.decode(value, { stream: true }));
      if (done) this.#finish();
    }
    return this.#ready.shift() ?? null;
  }

  /** Ends the response. */
  cancel(): void {
    this.#isOver = true;
    this.#reader.cancel().catch(() => {});
  }

  #split(text: string): void {
    // The line ended with the "\r" of the previous piece, and this is its "\n".
    const rest = this.#endsWithReturn && text.startsWith('\n') ? text.slice(1) : text;
    if (text !== '') this.#endsWithReturn = text.endsWith('\r');
    const lines = rest.split(/\r\n|\n|\r/);
    for (const [index, line] of lines.entries()) {
      this.#line.push(line);
      if (index === lines.length - 1) return;
      const whole = this.#line.join('');
      this.#line = [];
      this.#take(whole);
    }
  }

  #take(line: string): void {
    const [, field, value = ''] = FIELD.exec(line) ?? [];
    if (line === '') this.#dispatch();
    else if (line.startsWith(':')) this.#alive();
    else if (field === 'data') {
      // Some servers end an event with a single line break.
      if (this.#data?.length === 1 && isJson(this.#data[0] as string)) this.#dispatch();
      this.#data ??= [];
      this.#data.push(value);
      if (value === '[DONE]') this.#dispatch();
    } else if (field === 'event') this.#name = value;
    else if (field === undefined) this.#takeUnusable(line);
  }

  #takeUnusable(line: string): void {
    const text = line.trim();
    if (text === '') return;
    const isFirst = this.#unusable.length === 0;
    if (isFirst && text.startsWith('{') && isJson(text)) this.#emit(text);
    else this.#unusable.push(line);
    // A page may be endless, and nothing in it is an answer.
    if (isFirst && text.startsWith('<')) this.cancel();
  }

  #dispatch(): void {
    // Some servers send empty lines to keep a connection open.
    if (this.#data === null) this.#alive();
    else this.#emit(this.#data.join('\n'));
    this.#data = null;
    this.#name = '';
  }

  #emit(data: string): void {
    this.#hasEvents = true;
    this.#ready.push({ name: this.#name, data });
  }

  #finish(): void {
    this.#isOver = true;
    const last = this.#line.join('');
    this.#line = [];
    if (last !== '') this.#take(last);
    this.#dispatch();
    if (this.#hasEvents) return;
    const whole = this.#unusable.join('\n');
    if (isJson(whole)) this.#emit(whole);
  }
}
