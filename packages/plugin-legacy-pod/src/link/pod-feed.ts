import { textAt } from '../records/record-fields.ts';
import type { LinkEvent } from './pod-link.ts';

/** Text that waits to be shown; beyond it, streaming pauses until the committed message. */
const MOST_WAITING_CHARS = 262_144;

const deltaOf = (event: LinkEvent): 'text_delta' | 'thinking_delta' | null =>
  event.type === 'event' && (event.event.event === 'text_delta' || event.event.event === 'thinking_delta')
    ? event.event.event
    : null;

/**
 * What a pod says while a run is on, waiting for the run's driver. Bounded: text that comes faster than it is taken
 * is joined, then dropped, since the committed message follows.
 */
export class PodFeed {
  #waiting: LinkEvent[] = [];
  #wake: (() => void) | null = null;

  push(event: LinkEvent): void {
    const last = this.#waiting.at(-1);
    const kind = deltaOf(event);
    if (kind !== null && last && deltaOf(last) === kind && event.type === 'event' && last.type === 'event') {
      const text = textAt(last.event.data, 'text');
      if (text.length < MOST_WAITING_CHARS)
        this.#waiting[this.#waiting.length - 1] = {
          ...last,
          event: { event: kind, data: { text: text + textAt(event.event.data, 'text') } },
        };
    } else this.#waiting.push(event);
    this.#wake?.();
  }

  /** Takes back what was taken too early: it is the next one again. */
  putBack(event: LinkEvent): void {
    this.#waiting.unshift(event);
  }

  /** Whether something waits that fits; it stays. */
  has(fits: (event: LinkEvent) => boolean): boolean {
    return this.#waiting.some(fits);
  }

  /** The next event; null where `signal` is aborted or the time is over before one comes. */
  async next(signal: AbortSignal | null, timeoutMs: number | null = null): Promise<LinkEvent | null> {
    if (this.#waiting.length === 0 && signal?.aborted !== true) await this.#woken(signal, timeoutMs);
    return signal?.aborted === true ? null : (this.#waiting.shift() ?? null);
  }

  /** Resolves when something fits. False where `signal` is aborted first. */
  async until(fits: (event: LinkEvent) => boolean, signal: AbortSignal): Promise<boolean> {
    while (!this.has(fits)) {
      if (signal.aborted) return false;
      await this.#woken(signal, null);
    }
    return true;
  }

  /** What nobody took. */
  rest(): readonly LinkEvent[] {
    return this.#waiting.splice(0);
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
