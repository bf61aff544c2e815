import type { EngineOutput } from '@worker-runtime/core';
import { type PodRedactor, RedactedStream } from '../log/pod-redactor.ts';

/** Text that is streamed before a message supersedes it; the committed message has all of it. */
const MOST_CHARS = 262_144;

export type LiveEvent = 'text_delta' | 'thinking_delta' | 'text_done' | 'thinking_done';

export const liveType = (event: LiveEvent): 'text' | 'reasoning' =>
  event.startsWith('text') ? 'text' : 'reasoning';

/** The text that a pod is writing, as it may be shown: transient, and superseded by the committed message. */
export class LiveText {
  readonly #streams: Readonly<Record<'text' | 'reasoning', RedactedStream>>;
  #blockChars = 0;
  #chars = 0;

  constructor(redactor: PodRedactor) {
    this.#streams = { text: new RedactedStream(redactor), reasoning: new RedactedStream(redactor) };
  }

  /** @param isLate its message is committed already, and is not shown a second time */
  take(event: LiveEvent, text: string, isLate: boolean): readonly EngineOutput[] {
    const type = liveType(event);
    const stream = this.#streams[type];
    if (event === 'text_delta' || event === 'thinking_delta') {
      this.#blockChars += text.length;
      return this.#show(type, stream.push(text), isLate);
    }
    // a block may come whole, without having been streamed
    const rest = (this.#blockChars === 0 ? stream.push(text) : '') + stream.end();
    this.#blockChars = 0;
    return this.#show(type, rest, isLate);
  }

  /** A committed message stands for what was shown. */
  superseded(): void {
    this.#chars = 0;
  }

  /** What was streamed meanwhile is lost. */
  restart(): void {
    for (const stream of Object.values(this.#streams)) stream.end();
    this.#blockChars = 0;
  }

  #show(type: 'text' | 'reasoning', text: string, isLate: boolean): readonly EngineOutput[] {
    if (text === '' || isLate || this.#chars + text.length > MOST_CHARS) return [];
    this.#chars += text.length;
    return [{ type, text }];
  }
}
