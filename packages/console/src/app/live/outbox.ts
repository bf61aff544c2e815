import { RemoteError } from '@worker-runtime/client';
import type { Backend } from './backend.ts';
import { keep, kept, keptNames } from './kept.ts';
import { randomKey } from './random-key.ts';
import { seenAgain } from './seen-again.ts';
import { Source } from './source.ts';

/** An input that was sent, until the runtime has accepted or refused it. */
export interface SentInput {
  readonly key: string;
  readonly runtimeId: string;
  readonly workerId: string;
  readonly text: string;
  /** The time, in milliseconds. */
  readonly sentAt: number;
  /** The reason of a refusal, or null while the answer is open. */
  readonly refusal: string | null;
}

/** Each input is kept under a name of its own: several tabs keep theirs at once. */
const NAMES = 'outbox.';
const RETRY_MS = 2_000;

/** True if the session has ended: the input waits for the next login. */
const needsLogin = (error: unknown): boolean =>
  error instanceof RemoteError && error.code === 'UNAUTHENTICATED';

/** True if the runtime may take the same input later, under the same key. */
const isOpen = (error: unknown): boolean =>
  needsLogin(error) || (error instanceof RemoteError && error.retryable);

/** Returns a kept input. What is not readable, such as a text of another program of this origin, must not keep the page from opening. */
const storedInput = (name: string): SentInput | null => {
  try {
    const item = JSON.parse(kept(name) ?? 'null') as SentInput | null;
    return typeof item?.text === 'string' ? item : null;
  } catch {
    return null;
  }
};

const storedInputs = (): readonly SentInput[] =>
  keptNames(NAMES)
    .map(storedInput)
    .filter((item) => item !== null)
    .toSorted((one, other) => one.sentAt - other.sentAt);

/**
 * Sends inputs. Each input has a key and is kept until it is answered, so that it happens once: after a lost answer and
 * after a reload of the page, it is sent again under its key. The inputs of a Worker are sent one after another.
 */
export class Outbox extends Source<readonly SentInput[]> {
  readonly #backend: Backend;
  /** The end of the last delivery to each Worker. */
  readonly #delivered = new Map<string, Promise<void>>();
  #items: readonly SentInput[] = storedInputs();

  constructor(backend: Backend) {
    super();
    this.#backend = backend;
    const unsubscribe = backend.subscribe(() => {
      if (!backend.get().isLoaded) return;
      unsubscribe();
      for (const item of this.#items) if (item.refusal === null) this.#deliver(item);
    });
  }

  send(runtimeId: string, workerId: string, text: string): void {
    const item: SentInput = {
      key: randomKey(),
      runtimeId,
      workerId,
      text,
      sentAt: Date.now(),
      refusal: null,
    };
    this.#set(item.key, item);
    this.#deliver(item);
  }

  /** Removes an input that was refused, or whose event has arrived. */
  remove(key: string): void {
    if (this.#items.some((item) => item.key === key)) this.#set(key, null);
  }

  protected override take(): readonly SentInput[] {
    return this.#items;
  }

  #deliver(item: SentInput): void {
    const worker = `${item.runtimeId}/${item.workerId}`;
    const before = this.#delivered.get(worker) ?? Promise.resolve();
    this.#delivered.set(
      worker,
      before.then(() => this.#attempt(item)),
    );
  }

  async #attempt(item: SentInput): Promise<void> {
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
    keep(NAMES + key, null);
    setTimeout(() => this.remove(key), RETRY_MS);
  }

  #refused(item: SentInput, error: unknown): void {
    const refusal = error instanceof Error ? error.message : String(error);
    this.#set(item.key, { ...item, refusal });
  }

  /** Adds an input, replaces it, or removes it. */
  #set(key: string, item: SentInput | null): void {
    const isKnown = this.#items.some((one) => one.key === key);
    if (item === null) this.#items = this.#items.filter((one) => one.key !== key);
    else if (isKnown) this.#items = this.#items.map((one) => (one.key === key ? item : one));
    else this.#items = [...this.#items, item];
    keep(NAMES + key, item && JSON.stringify(item));
    this.changed();
  }
}
