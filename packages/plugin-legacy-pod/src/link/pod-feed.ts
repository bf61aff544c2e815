import { textAt } from '../records/record-fields.ts';
import type { LinkEvent } from './link-event.ts';

/** The maximum length of joined text in the buffer. Further text is dropped; the committed message contains it. */
const MAX_BUFFERED_CHARS = 262_144;

const deltaOf = (event: LinkEvent): 'text_delta' | 'thinking_delta' | null =>
  event.type === 'event' && (event.event.event === 'text_delta' || event.event.event === 'thinking_delta')
    ? event.event.event
    : null;

/**
 * Buffers the events of an active run until they are processed. Text deltas that arrive faster than they are processed
 * are joined, and dropped when the joined text is too long. The committed message follows in any case.
 */
export class PodFeed {
  #events: LinkEvent[] = [];
  #wake: (() => void) | null = null;

  push(event: LinkEvent): void {
    const last = this.#events.at(-1);
    const kind = deltaOf(event);
    if (kind !== null && last && deltaOf(last) === kind && event.type === 'event' && last.type === 'event') {
      const text = textAt(last.event.data, 'text');
      if (text.length < MAX_BUFFERED_CHARS)
        this.#events[this.#events.length - 1] = {
          ...last,
          event: { event: kind, data: { text: text + textAt(event.event.data, 'text') } },
        };
    } else this.#events.push(event);
    this.#wake?.();
  }

  /** Puts an event back at the front, so that `next` returns it again. */
  putBack(event: LinkEvent): void {
    this.#events.unshift(event);
  }

  /** True if a buffered event matches. */
  has(matches: (event: LinkEvent) => boolean): boolean {
    return this.#events.some(matches);
  }

  /** Returns the first buffered event that matches, without taking it. */
  first(matches: (event: LinkEvent) => boolean): LinkEvent | null {
    return this.#events.find(matches) ?? null;
  }

  /** Takes the next event. Returns null if `signal` is aborted or `timeoutMs` has passed first. */
  async next(signal: AbortSignal | null, timeoutMs: number | null = null): Promise<LinkEvent | null> {
    if (this.#events.length === 0 && signal?.aborted !== true) await this.#woken(signal, timeoutMs);
    return signal?.aborted === true ? null : (this.#events.shift() ?? null);
  }

  /** Waits until a buffered event matches. Resolves with false if `signal` is aborted first. */
  async waitFor(matches: (event: LinkEvent) => boolean, signal: AbortSignal): Promise<boolean> {
    while (!this.has(matches)) {
      if (signal.aborted) return false;
      await this.#woken(signal, null);
    }
    return true;
  }

  /** Takes all events that are left. */
  takeRest(): readonly LinkEvent[] {
    return this.#events.splice(0);
  }

  #woken(signal: AbortSignal | null, timeoutMs: number | null): Promise<void> {
    return new Promise((resolve) => {
      const timer = timeoutMs === null ? null : setTimeout(() => wake(), timeoutMs);
      const wake = (): void => {
        if (timer) clearTimeout(timer);
        signal?.removeEventListener('abort', wake);
        this.#wake = null;
        resolve();
      };
      signal?.addEventListener('abort', wake, { once: true });
      this.#wake = wake;
    });
  }
}
