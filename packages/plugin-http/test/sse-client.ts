import { contract } from './contract.ts';

/** A received Server-Sent Event. `line` is its unparsed data. */
export interface Frame {
  readonly event: string;
  readonly id: string | null;
  readonly line: string;
  /** The parsed data. */
  readonly data: ReturnType<typeof JSON.parse>;
}

const fieldsOf = (block: string): ReadonlyMap<string, string> =>
  new Map(
    block.split('\n').map((line) => {
      const at = line.indexOf(': ');
      return [line.slice(0, at), line.slice(at + 2)];
    }),
  );

/** Reads a stream of events frame by frame. Each must fit the document, by which it has data. */
export class SseClient {
  readonly response: Response;
  readonly #frames: AsyncGenerator<Frame>;
  readonly #abort: AbortController;

  private constructor(response: Response, abort: AbortController) {
    this.response = response;
    this.#abort = abort;
    this.#frames = SseClient.#read(response);
  }

  static async open(url: string, headers: Readonly<Record<string, string>> = {}): Promise<SseClient> {
    const abort = new AbortController();
    const response = await fetch(url, {
      headers: { accept: 'text/event-stream', ...headers },
      signal: abort.signal,
    });
    return new SseClient(response, abort);
  }

  static async *#read(response: Response): AsyncGenerator<Frame> {
    let text = '';
    for await (const piece of (response.body as ReadableStream<Uint8Array>).pipeThrough(
      new TextDecoderStream(),
    )) {
      text += piece;
      for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
        const fields = fieldsOf(text.slice(0, end));
        text = text.slice(end + 2);
        const data = contract.assertFrame(response.url, fields);
        yield {
          event: fields.get('event') ?? 'message',
          id: fields.get('id') ?? null,
          line: fields.get('data') as string,
          data,
        };
      }
    }
  }

  /** Returns the next frame; rejects if the stream has ended. */
  async next(): Promise<Frame> {
    const { value, done } = await this.#frames.next();
    if (done) throw new Error('the stream has ended');
    return value;
  }

  /** Returns all frames up to and including the first that matches. */
  async until(matches: (frame: Frame) => boolean): Promise<readonly Frame[]> {
    const frames: Frame[] = [];
    for (;;) {
      const frame = await this.next();
      frames.push(frame);
      if (matches(frame)) return frames;
    }
  }

  /** Returns all remaining frames. */
  async rest(): Promise<readonly Frame[]> {
    const frames: Frame[] = [];
    for await (const frame of this.#frames) frames.push(frame);
    return frames;
  }

  close(): void {
    this.#abort.abort();
  }
}
