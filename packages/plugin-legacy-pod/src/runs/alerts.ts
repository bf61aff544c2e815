import type { JsonObject, Notice } from '@worker-runtime/core';
import type { Teller } from '../log/teller.ts';
import { numberAt, textAt } from '../records/record-fields.ts';

/** A pod repeats this many on every connection. */
const REPLAYED = 512;
const MOST_WAITING = 32;

/** Alerts of a pod, each told once, however often it comes again. */
export class Alerts {
  readonly #known = new Set<string>();
  #waiting: Notice[] = [];

  add(data: JsonObject, teller: Teller): void {
    const message = textAt(data, 'message');
    const key = `${numberAt(data, 'timestamp_ms')} ${textAt(data, 'source')} ${message}`;
    if (this.#known.has(key)) return;
    this.#known.add(key);
    if (this.#known.size > REPLAYED * 2) this.#known.delete(this.#known.values().next().value as string);
    const severity = data.level === 'error' ? 'error' : 'warning';
    this.#waiting.push(teller.notice(severity, 'POD_ALERT', message));
    if (this.#waiting.length > MOST_WAITING) this.#waiting.shift();
  }

  /** Those that nobody has taken. */
  take(): readonly Notice[] {
    return this.#waiting.splice(0);
  }
}
