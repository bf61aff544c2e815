import type { Cursor } from '../../contracts/cursor.ts';
import type { WorkerEvent } from '../../contracts/event.ts';
import type {
  InFlightMessage,
  Observation,
  ObserveOptions,
  RuntimeApi,
} from '../../contracts/runtime-api.ts';
import type { TestContext } from '../store/harness.ts';
import { Waiters } from './patience.ts';

interface SeenEvent {
  readonly event: WorkerEvent;
  readonly cursor: Cursor;
}

/** A client that looks at a Worker's stream, and checks what every stream has to keep. */
export class Viewer {
  readonly items: Observation[] = [];
  readonly events: SeenEvent[] = [];
  /** The text of messages that are being written, by message and part, as rebuilt from what came. */
  readonly writing = new Map<string, Map<string, string>>();
  /** The same of messages that were finished, as they stood when their `message.completed` came. */
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

  /** Resolves when it holds of what was seen. Fails with the stream, and where that is over, or silent, without it. */
  async until(what: string, holds: (viewer: Viewer) => boolean): Promise<void> {
    const isThere = await this.#waiters.until(() => holds(this) || this.#isOver);
    if (this.#error !== null) throw this.#error;
    if (!isThere || !holds(this))
      this.#t.fail(`the stream ${isThere ? 'ended' : 'fell silent'} before ${what}`);
  }

  /** Resolves when an event of this type was seen, so many times. */
  async sees(type: WorkerEvent['type'], times = 1): Promise<SeenEvent> {
    const fitting = () => this.events.filter(({ event }) => event.type === type);
    await this.until(`${times} ${type}`, () => fitting().length >= times);
    return fitting()[times - 1] as SeenEvent;
  }

  /** All text in flight, one part after the other. */
  get text(): string {
    return [...this.writing.values()].flatMap((parts) => [...parts.values()]).join('');
  }

  /** Resolves when the stream has ended of itself. */
  ended(): Promise<void> {
    return this.#ended;
  }

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
      if (last !== undefined) this.#t.is(event.seq, last + 1, 'P5: neither gap nor repetition');
      this.events.push({ event, cursor });
      if (event.type === 'message.completed') {
        this.written.set(event.data.message, this.writing.get(event.data.message) ?? new Map());
        this.writing.delete(event.data.message);
      }
      if (event.type === 'run.finished') this.#t.is(this.text, '', 'no text outlives its run');
    } else if (item.type === 'in-flight') {
      this.writing.clear();
      for (const message of item.messages) this.#replace(message);
    } else if (item.type === 'delta') {
      const parts = this.writing.get(item.message) ?? new Map<string, string>();
      const before = parts.get(item.part) ?? '';
      this.#t.is(item.offset, before.length, 'P5: a delta goes on where the text ends');
      parts.set(item.part, before + item.text);
      this.writing.set(item.message, parts);
    }
  }

  #replace({ message, parts }: InFlightMessage): void {
    this.writing.set(message, new Map(parts.map(({ id, text }) => [id, text])));
  }
}
