import { countMessages, type MessageCounts, minus, NO_MESSAGES, plus } from '../log/message-counts.ts';
import type { Said } from '../log/said.ts';
import { textAt } from '../records/record-fields.ts';
import type { LinkEvent } from './pod-link.ts';

/** A place in a stream: the blocks of text that had ended on it. */
export interface StreamMark extends MessageCounts {
  /** A stream is one connection; the next one begins anew. */
  readonly stream: number;
}

export const START: StreamMark = { ...NO_MESSAGES, stream: 0 };

/**
 * Where the stream of a pod is, compared with what was read of its log. Both have the same blocks in the same order, so
 * counting them tells whether a streamed block has been read already: then it comes too late to be shown.
 */
export class StreamPlace {
  #stream = 0;
  #streamed = NO_MESSAGES;
  #read = NO_MESSAGES;
  #base = { streamed: NO_MESSAGES, read: NO_MESSAGES };

  /** An event as it arrives, with its place. */
  stamp(event: LinkEvent): LinkEvent {
    if (event.type !== 'event') return event;
    const stamped = { ...event, at: { ...this.#streamed, stream: this.#stream } };
    const { event: name, data } = event.event;
    if (name === 'text_done') this.#streamed = plus(this.#streamed, { text: 1, reasoning: 0 });
    else if (name === 'thinking_done' && textAt(data, 'text') !== '')
      this.#streamed = plus(this.#streamed, { text: 0, reasoning: 1 });
    return stamped;
  }

  read(said: readonly Said[]): void {
    this.#read = plus(this.#read, countMessages(said));
  }

  /** Whatever is left of a stream that was cut is late: the snapshot of the next one may have it. */
  isLate(type: 'text' | 'reasoning', streamed: StreamMark): boolean {
    if (streamed.stream !== this.#stream) return true;
    return this.#read[type] - this.#base.read[type] > streamed[type] - this.#base.streamed[type];
  }

  /** A run broke off: blocks of it are never committed, so the count begins anew. `ahead` is of later runs. */
  align(streamed: StreamMark, ahead: readonly Said[]): void {
    if (streamed.stream !== this.#stream) return;
    this.#base = { streamed, read: minus(this.#read, countMessages(ahead)) };
  }

  /** The stream begins anew, with `unread` more in the log than was read. */
  restart(unread: MessageCounts): void {
    this.#stream += 1;
    this.#streamed = NO_MESSAGES;
    this.#base = { streamed: NO_MESSAGES, read: plus(this.#read, unread) };
  }
}
