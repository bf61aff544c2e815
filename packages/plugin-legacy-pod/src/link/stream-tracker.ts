import type { ConversationItem } from '../log/conversation-item.ts';
import { countMessages, type MessageCounts, minus, NO_MESSAGES, plus } from '../log/message-counts.ts';
import { textAt } from '../records/record-fields.ts';
import type { LinkEvent } from './link-event.ts';
import type { StreamPosition } from './stream-position.ts';

/**
 * Compares the position of a pod's stream with how far the pod's log was read. Both have the same blocks of text in the
 * same order. Counting the blocks therefore tells if a streamed block was already read from the log, and must not be
 * shown a second time.
 */
export class StreamTracker {
  #stream = 0;
  #streamed = NO_MESSAGES;
  #read = NO_MESSAGES;
  #base = { streamed: NO_MESSAGES, read: NO_MESSAGES };

  /** Returns an event that has just arrived, with its position in the stream, and counts it. */
  stamp(event: LinkEvent): LinkEvent {
    if (event.type !== 'event') return event;
    const stamped = { ...event, at: { ...this.#streamed, stream: this.#stream } };
    const { event: name, data } = event.event;
    if (name === 'text_done') this.#streamed = plus(this.#streamed, { text: 1, reasoning: 0 });
    else if (name === 'thinking_done' && textAt(data, 'text') !== '')
      this.#streamed = plus(this.#streamed, { text: 0, reasoning: 1 });
    return stamped;
  }

  /** Counts items that were read from the log. */
  countRead(items: readonly ConversationItem[]): void {
    this.#read = plus(this.#read, countMessages(items));
  }

  /**
   * True if the block at this position was already read from the log. Blocks of an earlier stream always count as
   * late, because the snapshot of the next stream may contain them.
   */
  isLate(type: 'text' | 'reasoning', position: StreamPosition): boolean {
    if (position.stream !== this.#stream) return true;
    return this.#read[type] - this.#base.read[type] > position[type] - this.#base.streamed[type];
  }

  /**
   * Restarts the count at the end of a run that broke off, because some of its streamed blocks are never committed.
   * `ahead` are the items read from the log that belong to later runs.
   */
  align(position: StreamPosition, ahead: readonly ConversationItem[]): void {
    if (position.stream !== this.#stream) return;
    this.#base = { streamed: position, read: minus(this.#read, countMessages(ahead)) };
  }

  /** Begins a new stream. `unread` counts the messages of its snapshot that were not read from the log yet. */
  restart(unread: MessageCounts): void {
    this.#stream += 1;
    this.#streamed = NO_MESSAGES;
    this.#base = { streamed: NO_MESSAGES, read: plus(this.#read, unread) };
  }
}
