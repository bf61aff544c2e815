import type { Cursor } from '../../contracts/cursor.ts';
import type { WorkerEvent } from '../../contracts/event.ts';
import type { InFlightMessage, Observation, ObserveOptions } from '../../contracts/observation.ts';
import type { RuntimeApi } from '../../contracts/runtime-api.ts';
import type { TestContext } from '../store/harness.ts';
import { Waiters } from './waiters.ts';

interface SeenEvent {
  readonly event: WorkerEvent;
  readonly cursor: Cursor;
}

/** A client that reads a Worker's stream, and checks the rules that hold for every stream. */
export class Viewer {
  readonly items: Observation[] = [];
  readonly events: SeenEvent[] = [];
  /** The text in flight, by message and part, rebuilt from the stream. */
  readonly writing = new Map<string, Map<string, string>>();
  /** The text in flight of each completed message, as it was when `message.completed` arrived. */
  readonly written = new Map<string, ReadonlyMap<string, string>>();
  readonly #t: TestContext;
  readonly #controller = new AbortController();
  readonly #ended: Promise<void>;
  readonly #waiters = new Waiters();
  #isOver = false;
  #error: unknown = null;

  constructor(t: TestContext, api: RuntimeApi, workerId: string, options: Omit<ObserveOptions, 'signal'>) {
    this.#t = t;
    this.#ended = this.#read(api.observe(workerId, { ...options, signal: this.#controller.signal }));
  }

  /**
   * Waits until the condition holds; `what` names it in failures. Fails the test if the stream ends or the time is up
   * before that. Throws the error of a stream that failed.
   */
  async until(what: string, holds: (viewer: Viewer) => boolean): Promise<void> {
    const isInTime = await this.#waiters.until(() => holds(this) || this.#isOver);
    if (this.#error !== null) throw this.#error;
    if (!isInTime || !holds(this))
      this.#t.fail(`the stream ${isInTime ? 'ended' : 'timed out'} before ${what}`);
  }

  /** Waits until the stream has delivered `times` events of this type. Returns the last of them. */
  async sees(type: WorkerEvent['type'], times = 1): Promise<SeenEvent> {
    const matching = () => this.events.filter(({ event }) => event.type === type);
    await this.until(`${times} ${type}`, () => matching().length >= times);
    return matching()[times - 1] as SeenEvent;
  }

  /** All text in flight, its parts joined. */
  get text(): string {
    return [...this.writing.values()].flatMap((parts) => [...parts.values()]).join('');
  }

  /** Resolves when the stream has ended. */
  ended(): Promise<void> {
    return this.#ended;
  }

  /** Aborts the stream and waits for its end. */
  async close(): Promise<void> {
    this.#controller.abort();
    await this.#ended;
  }

  async #read(stream: AsyncIterable<Observation>): Promise<void> {
    try {
      for await (const item of stream) {
        this.items.push(item);
        this.#take(item);
        this.#waiters.wake();
      }
    } catch (error) {
      this.#error = error;
    }
    this.#isOver = true;
    this.#waiters.wake();
  }

  #take(item: Observation): void {
    if (item.type === 'event') {
      const { event, cursor } = item;
      const last = this.events.at(-1)?.event.seq;
      if (last !== undefined) this.#t.is(event.seq, last + 1, 'P5: no gap and no repetition');
      this.events.push({ event, cursor });
      if (event.type === 'message.completed') {
        this.written.set(event.data.message, this.writing.get(event.data.message) ?? new Map());
        this.writing.delete(event.data.message);
      }
      if (event.type === 'run.finished') this.#t.is(this.text, '', 'a finished run has no text in flight');
    } else if (item.type === 'in-flight') {
      this.writing.clear();
      for (const message of item.messages) this.#replace(message);
    } else if (item.type === 'delta') {
      const parts = this.writing.get(item.message) ?? new Map<string, string>();
      const before = parts.get(item.part) ?? '';
      this.#t.is(item.offset, before.length, 'P5: a delta begins where the text ends');
      parts.set(item.part, before + item.text);
      this.writing.set(item.message, parts);
    }
  }

  #replace({ message, parts }: InFlightMessage): void {
    this.writing.set(message, new Map(parts.map(({ id, text }) => [id, text])));
  }
}
