import { type Clock, type PluginHost, RuntimeError } from '@worker-runtime/core';
import { messageOf } from './message.ts';
import { logOf, type Positions } from './positions.ts';
import { type Attempt, Sender } from './sender.ts';
import type { EndpointSettings } from './webhooks-options.ts';

/** The Workers whose events are delivered at a time. Those of one Worker go one after the other. */
const AT_A_TIME = 4;
/** The events that are read at a time. */
const PAGE = 16;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 600_000;
const LONGEST_RETRY_AFTER_MS = 86_400_000;

/** Delivers events to one endpoint. It holds the ids of Workers with events to deliver, and reads the events from their logs. */
export class Endpoint {
  readonly settings: EndpointSettings;
  readonly #host: PluginHost;
  readonly #clock: Clock;
  readonly #positions: Positions;
  readonly #sender: Sender;
  /** The Workers that may have events to deliver, the one that waits longest first. */
  readonly #due = new Set<string>();
  readonly #busy = new Map<string, Promise<void>>();
  #failures = 0;
  #cancelPause: (() => void) | null = null;
  #isOpen = false;

  constructor(settings: EndpointSettings, host: PluginHost, clock: Clock, positions: Positions) {
    this.settings = settings;
    this.#host = host;
    this.#clock = clock;
    this.#positions = positions;
    this.#sender = new Sender(settings, clock, host.log);
  }

  /** @throws INVALID_REQUEST the secret is missing or not valid */
  checkSecret(): Promise<void> {
    return this.#sender.open();
  }

  /** Begins to deliver. */
  open(): void {
    this.#isOpen = true;
    this.#begin();
  }

  /** A Worker may have events to deliver. */
  add(workerId: string): void {
    this.#due.add(workerId);
    this.#begin();
  }

  /** True if events of a Worker up to a number are still to be delivered. */
  isBehind(workerId: string, seq: number): boolean {
    if (!this.#due.has(workerId) && !this.#busy.has(workerId)) return false;
    return (this.#positions.of(this.settings.name).workers.get(workerId)?.seq ?? 0) < seq;
  }

  /** A Worker is deleted, and its log with it. */
  forget(workerId: string): void {
    this.#due.delete(workerId);
    if (this.#positions.of(this.settings.name).workers.delete(workerId)) this.#positions.changed();
  }

  /** Begins no further attempt. Resolves when those in progress have ended, which they do at the abort of the signal. */
  async close(signal: AbortSignal): Promise<void> {
    this.#isOpen = false;
    this.#cancelPause?.();
    const abort = (): void => this.#sender.close();
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    await Promise.all(this.#busy.values());
    signal.removeEventListener('abort', abort);
    this.#sender.close();
  }

  get #isPausing(): boolean {
    return !this.#isOpen || this.#cancelPause !== null || this.#positions.of(this.settings.name).isDisabled;
  }

  #begin(): void {
    for (const workerId of this.#due) {
      if (this.#isPausing || this.#busy.size >= AT_A_TIME) return;
      if (this.#busy.has(workerId)) continue;
      this.#due.delete(workerId);
      const delivery = this.#deliver(workerId).then(() => {
        this.#busy.delete(workerId);
        this.#begin();
      });
      this.#busy.set(workerId, delivery);
    }
  }

  /** Delivers the events of a Worker, from its position to the end of its log. Never rejects. */
  async #deliver(workerId: string): Promise<void> {
    try {
      if (!(await this.#deliverAll(workerId))) this.#due.add(workerId);
    } catch (error) {
      const { code } = RuntimeError.from(error);
      if (code === 'WORKER_NOT_FOUND') return this.forget(workerId);
      this.#due.add(workerId);
      this.#pause(code, 0);
    }
  }

  /** Returns false if an event was not accepted. */
  async #deliverAll(workerId: string): Promise<boolean> {
    const { runtime } = this.#host;
    const { types, labels } = this.settings;
    // before the events, so that no event between the two reads is passed over
    const worker = await runtime.getWorker(workerId);
    const log = logOf(worker);
    const known = this.#positions.of(this.settings.name).workers.get(workerId);
    // history that has left the runtime had its chance, and that of a fork was delivered for the Worker that it is from
    const first = Math.max((worker.archived?.firstSeq ?? 1) - 1, worker.forkedFrom?.seq ?? 0);
    let seq = Math.max(first, known?.log === log ? Math.min(known.seq, worker.lastSeq) : 0);
    const limit = Math.min(PAGE, runtime.limits.pageItems);
    for (let after: string | null = `@${seq}`; after !== null; ) {
      const page = await runtime.events(workerId, { after, limit, types });
      for (const event of page.items) {
        const has = runtime.labelsOf(workerId) ?? {};
        if (Object.entries(labels).every(([name, value]) => has[name] === value)) {
          if (this.#isPausing) return false;
          const attempt = await this.#sender.send(messageOf(runtime.runtimeId, log, event));
          if (!this.#settle(attempt)) return false;
        }
        seq = event.seq;
        this.#reached(workerId, log, seq);
      }
      after = page.next;
    }
    this.#reached(workerId, log, Math.max(seq, worker.lastSeq));
    return true;
  }

  #reached(workerId: string, log: string, seq: number): void {
    // a Worker that has been deleted needs no position
    if (this.#host.runtime.labelsOf(workerId) === null) return;
    this.#positions.of(this.settings.name).workers.set(workerId, { log, seq });
    this.#positions.changed();
  }

  /** Returns true if the event was accepted. */
  #settle(attempt: Attempt): boolean {
    if (attempt.type === 'accepted') {
      if (this.#cancelPause === null) this.#failures = 0;
      return true;
    }
    if (attempt.type === 'refused') this.#pause(attempt.reason, attempt.retryAfterMs);
    else {
      this.#positions.of(this.settings.name).isDisabled = true;
      this.#positions.changed();
      this.#host.log.error(
        { endpoint: this.settings.name, code: 'WEBHOOK_GONE' },
        'the endpoint answered 410 and gets no more events until its URL changes',
      );
    }
    return false;
  }

  /** Rests after a failure, longer after each one in a row. Attempts that fail at the same time count as one. */
  #pause(reason: string, retryAfterMs: number): void {
    if (!this.#isOpen || this.#cancelPause !== null) return;
    const longest = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(this.#failures, 20), LONGEST_PAUSE_MS);
    const pauseMs = Math.max(
      longest * (0.5 + Math.random() / 2),
      Math.min(retryAfterMs, LONGEST_RETRY_AFTER_MS),
    );
    const level = this.#failures === 0 ? 'warn' : 'debug';
    this.#failures += 1;
    this.#cancelPause = this.#clock.after(pauseMs, () => {
      this.#cancelPause = null;
      this.#begin();
    });
    this.#host.log[level](
      { endpoint: this.settings.name, code: 'WEBHOOK_FAILED', reason, pauseMs: Math.round(pauseMs) },
      'the endpoint did not accept an event; it is sent again',
    );
  }
}
