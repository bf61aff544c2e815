import type { JsonObject } from '@worker-runtime/core';
import type { Notice } from '@worker-runtime/core/plugin-kit';
import type { OutputMapper } from '../log/output-mapper.ts';
import { numberAt, textAt } from '../records/record-fields.ts';

/** A pod repeats up to this many alerts on every connection. */
const REPEATED_ALERTS = 512;
const MAX_PENDING = 32;

/** Collects the alerts of a pod as notices. Reports each alert once, although a pod repeats it on every connection. */
export class Alerts {
  readonly #known = new Set<string>();
  #pending: Notice[] = [];

  add(data: JsonObject, mapper: OutputMapper): void {
    const message = textAt(data, 'message');
    const key = `${numberAt(data, 'timestamp_ms')} ${textAt(data, 'source')} ${message}`;
    if (this.#known.has(key)) return;
    this.#known.add(key);
    if (this.#known.size > REPEATED_ALERTS * 2)
      this.#known.delete(this.#known.values().next().value as string);
    const severity = data.level === 'error' ? 'error' : 'warning';
    this.#pending.push(mapper.notice(severity, 'POD_ALERT', message));
    if (this.#pending.length > MAX_PENDING) this.#pending.shift();
  }

  /** Takes the notices that were not taken yet. */
  take(): readonly Notice[] {
    return this.#pending.splice(0);
  }
}
