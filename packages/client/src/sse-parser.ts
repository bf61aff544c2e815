import { foreign } from './remote-error.ts';

/** One Server-Sent Event that carries data. */
export interface ServerEvent {
  /** `message` where the stream names none. */
  readonly event: string;
  readonly data: string;
  /** The position after it, if it has one. */
  readonly id: string | null;
}

/** More than a runtime ever puts into one event; without an end the text would grow for ever. */
const MAX_CHARS = 67_108_864;

/** Takes a stream apart as it comes. An event counts once its empty line is there, so a torn one never does. */
export class EventReader {
  readonly #decoder = new TextDecoder();
  #open: string[] = [];
  #chars = 0;
  #event = 'message';
  #id: string | null = null;
  #data: string[] = [];

  /** The events that this piece completes. @throws VERSION_UNSUPPORTED there is no end to one */
  push(piece: Uint8Array): readonly ServerEvent[] {
    const text = this.#decoder.decode(piece, { stream: true });
    const events: ServerEvent[] = [];
    let from = 0;
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', from)) {
      const rest = text.slice(from, end);
      const line = this.#open.length === 0 ? rest : this.#open.join('') + rest;
      this.#open = [];
      from = end + 1;
      const event = this.#take(line.endsWith('\r') ? line.slice(0, -1) : line);
      if (event) events.push(event);
    }
    if (from < text.length) this.#open.push(text.slice(from));
    this.#chars = events.length > 0 ? text.length - from : this.#chars + text.length;
    if (this.#chars > MAX_CHARS) throw foreign(200);
    return events;
  }

  #take(line: string): ServerEvent | null {
    if (line === '') {
      const event = { event: this.#event, data: this.#data.join('\n'), id: this.#id };
      const isWhole = event.data !== '';
      this.#event = 'message';
      this.#id = null;
      this.#data = [];
      return isWhole ? event : null;
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
