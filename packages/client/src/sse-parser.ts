import { notARuntime } from './remote-error.ts';

/** A Server-Sent Event with data. */
export interface ServerEvent {
  /** The event name; `message` if the stream has none. */
  readonly event: string;
  readonly data: string;
  /** The cursor after this event, or null if it has none. */
  readonly id: string | null;
}

/** The most characters of one event. A runtime never sends that many; without a limit, the buffer could grow forever. */
const MAX_CHARS = 67_108_864;

/** Parses a stream of Server-Sent Events piece by piece. An event without its final empty line is discarded. */
export class SseParser {
  readonly #decoder = new TextDecoder();
  #partialLine: string[] = [];
  #chars = 0;
  #event = 'message';
  #id: string | null = null;
  #data: string[] = [];

  /** Returns the events that this piece completes. @throws VERSION_UNSUPPORTED an event is too long */
  push(piece: Uint8Array): readonly ServerEvent[] {
    const text = this.#decoder.decode(piece, { stream: true });
    const events: ServerEvent[] = [];
    let from = 0;
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', from)) {
      const rest = text.slice(from, end);
      const line = this.#partialLine.length === 0 ? rest : this.#partialLine.join('') + rest;
      this.#partialLine = [];
      from = end + 1;
      const event = this.#parseLine(line.endsWith('\r') ? line.slice(0, -1) : line);
      if (event) events.push(event);
    }
    if (from < text.length) this.#partialLine.push(text.slice(from));
    this.#chars = events.length > 0 ? text.length - from : this.#chars + text.length;
    if (this.#chars > MAX_CHARS) throw notARuntime(200);
    return events;
  }

  #parseLine(line: string): ServerEvent | null {
    if (line === '') {
      const event = { event: this.#event, data: this.#data.join('\n'), id: this.#id };
      const hasData = event.data !== '';
      this.#event = 'message';
      this.#id = null;
      this.#data = [];
      return hasData ? event : null;
    }
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') this.#data.push(value);
    else if (field === 'id') this.#id = value;
    else if (field === 'event') this.#event = value;
    return null;
  }
}
