import type { InFlightMessage } from '@worker-runtime/core';
import type { Conversation } from '@worker-runtime/core/views';
import { Source } from './source.ts';

type InFlightPart = InFlightMessage['parts'][number];

/** A part of a message while it is written. Its value is the text so far. */
export class WrittenPart extends Source<string> {
  readonly id: string;
  readonly type: InFlightPart['type'];
  #text = '';

  constructor({ id, type }: InFlightPart) {
    super();
    this.id = id;
    this.type = type;
  }

  set text(text: string) {
    this.#text = text;
    this.changed();
  }

  protected override take(): string {
    return this.#text;
  }
}

export interface WrittenMessage {
  readonly message: string;
  readonly parts: readonly WrittenPart[];
}

/**
 * The messages that a Worker writes. They change when a message or a part of one begins or ends. The text of a part is a source of its own,
 * so that a piece of text concerns the component that shows it alone.
 */
export class Writing extends Source<readonly WrittenMessage[]> {
  #messages: readonly WrittenMessage[] = [];

  /** Takes the messages of a conversation, which may be another one than before. */
  follow(conversation: Conversation): void {
    const known = this.#messages.flatMap(({ parts }) => parts);
    const messages = conversation.writing.map(({ message, parts }) => ({
      message,
      parts: parts.map((part) => {
        const written = known.find(({ id }) => id === part.id) ?? new WrittenPart(part);
        written.text = part.text;
        return written;
      }),
    }));
    const parts = messages.flatMap((message) => message.parts);
    const isSame = parts.length === known.length && parts.every((part, at) => part === known[at]);
    if (isSame) return;
    this.#messages = messages;
    this.changed();
  }

  protected override take(): readonly WrittenMessage[] {
    return this.#messages;
  }
}
