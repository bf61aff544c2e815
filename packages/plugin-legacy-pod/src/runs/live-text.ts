import type { EngineOutput } from '@worker-runtime/core';
import { type PodRedactor, RedactedStream } from '../log/pod-redactor.ts';

/** The maximum length of text that is streamed ahead of a message. The committed message has all of the text. */
const MAX_CHARS = 262_144;

export type LiveEvent = 'text_delta' | 'thinking_delta' | 'text_done' | 'thinking_done';

export const liveType = (event: LiveEvent): 'text' | 'reasoning' =>
  event.startsWith('text') ? 'text' : 'reasoning';

/** Converts the streamed text of a pod to redacted, transient outputs. The committed message replaces them. */
export class LiveText {
  readonly #streams: Readonly<Record<'text' | 'reasoning', RedactedStream>>;
  #blockChars = 0;
  #chars = 0;

  constructor(redactor: PodRedactor) {
    this.#streams = { text: new RedactedStream(redactor), reasoning: new RedactedStream(redactor) };
  }

  /**
   * Returns the outputs for one event.
   * @param isLate true if the committed message was already published, so that the text is not shown again
   */
  take(event: LiveEvent, text: string, isLate: boolean): readonly EngineOutput[] {
    const type = liveType(event);
    const stream = this.#streams[type];
    if (event === 'text_delta' || event === 'thinking_delta') {
      this.#blockChars += text.length;
      return this.#show(type, stream.push(text), isLate);
    }
    // A pod may send a finished block without any deltas.
    const rest = (this.#blockChars === 0 ? stream.push(text) : '') + stream.end();
    this.#blockChars = 0;
    return this.#show(type, rest, isLate);
  }

  /** Resets the limit of streamed text, because a committed message has replaced the text shown so far. */
  messageCommitted(): void {
    this.#chars = 0;
  }

  /** Discards unfinished blocks after a reconnection, because their deltas in between are missing. */
  restart(): void {
    for (const stream of Object.values(this.#streams)) stream.end();
    this.#blockChars = 0;
  }

  #show(type: 'text' | 'reasoning', text: string, isLate: boolean): readonly EngineOutput[] {
    if (text === '' || isLate || this.#chars + text.length > MAX_CHARS) return [];
    this.#chars += text.length;
    return [{ type, text }];
  }
}
