import { RemoteError } from '@worker-runtime/client';
import type { Backend } from './backend.ts';
import { randomKey } from './random-key.ts';
import { seenAgain } from './seen-again.ts';
import { Source } from './source.ts';

/** An input that was sent, until the runtime has accepted or refused it. */
export interface SentInput {
  readonly key: string;
  readonly runtimeId: string;
  readonly workerId: string;
  readonly text: string;
  /** The reason of a refusal, or null while the answer is open. */
  readonly refusal: string | null;
}

const STORED = 'worker-runtime.outbox';
const RETRY_MS = 2_000;

/** True if the session has ended: the input waits for the next login. */
const needsLogin = (error: unknown): boolean =>
  error instanceof RemoteError && error.code === 'UNAUTHENTICATED';

/** True if the runtime may take the same input later, under the same key. */
const isOpen = (error: unknown): boolean =>
  needsLogin(error) || (error instanceof RemoteError && error.retryable);

const stored = (): readonly SentInput[] => {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(STORED) ?? '[]');
    return Array.isArray(value) ? (value as SentInput[]) : [];
  } catch {
    return [];
  }
};

/**
 * Sends inputs. Each input has a key and is kept until it is answered, so that it happens once: after a lost answer and
 * after a reload of the page, it is sent again under its key.
 */
export class Outbox extends Source<readonly SentInput[]> {
  readonly #backend: Backend;
  #items: readonly SentInput[] = stored();

  constructor(backend: Backend) {
    super();
    this.#backend = backend;
    const unsubscribe = backend.subscribe(() => {
      if (!backend.get().isLoaded) return;
      unsubscribe();
      for (const item of this.#items) if (item.refusal === null) void this.#deliver(item);
    });
  }

  send(runtimeId: string, workerId: string, text: string): void {
    const item: SentInput = { key: randomKey(), runtimeId, workerId, text, refusal: null };
    this.#set([...this.#items, item]);
    void this.#deliver(item);
  }

  /** Removes an input that was refused, or whose event has arrived. */
  remove(key: string): void {
    if (this.#items.some((item) => item.key === key))
      this.#set(this.#items.filter((item) => item.key !== key));
  }

  protected override take(): readonly SentInput[] {
    return this.#items;
  }

  async #deliver(item: SentInput): Promise<void> {
    const { runtimeId, workerId, text, key } = item;
    while (this.#items.some((open) => open.key === key)) {
      const runtime = this.#backend.find(runtimeId);
      try {
        if (runtime === undefined) throw new RemoteError('RUNTIME_UNREACHABLE', 'The runtime is away');
        await runtime.api.sendInput(workerId, { text, whenBusy: 'queue' }, { idempotencyKey: key });
        return this.#accepted(key);
      } catch (error) {
        if (!isOpen(error)) return this.#refused(item, error);
        if (needsLogin(error)) await seenAgain();
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  /** The event of the input shows it from now on. It is removed a little later than the event may take. */
  #accepted(key: string): void {
    this.#store(this.#items.filter((item) => item.key !== key));
    setTimeout(() => this.remove(key), RETRY_MS);
  }

  #refused(item: SentInput, error: unknown): void {
    const refusal = error instanceof Error ? error.message : String(error);
    this.#set(this.#items.map((open) => (open.key === item.key ? { ...item, refusal } : open)));
  }

  #set(items: readonly SentInput[]): void {
    this.#items = items;
    this.#store(items);
    this.changed();
  }

  #store(items: readonly SentInput[]): void {
    localStorage.setItem(STORED, JSON.stringify(items));
  }
}
