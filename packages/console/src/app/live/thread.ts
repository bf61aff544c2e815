import type { RuntimeClient } from '@worker-runtime/client';
import type { Cursor, LogGap, OpenRequest, WorkerEvent, WorkerSummary } from '@worker-runtime/core';
import { type Block, Conversation } from '@worker-runtime/core/views';
import { seenAgain } from './seen-again.ts';
import { Source } from './source.ts';
import { Writing } from './writing.ts';

export interface ThreadState {
  /** False until the last page has arrived. */
  readonly isLoaded: boolean;
  readonly events: readonly WorkerEvent[];
  readonly blocks: readonly Block[];
  readonly requests: readonly OpenRequest[];
  /** True if the log has earlier events. */
  readonly hasOlder: boolean;
  readonly isReadingOlder: boolean;
  readonly gaps: readonly LogGap[];
  /** The history that is in an archive, and not in the log any more; null if all of it is there. */
  readonly archived: WorkerSummary['archived'];
  /** The code of an error that ended the thread, or null. */
  readonly ended: string | null;
}

/** The number of transcript items that one step back shows. */
const PAGE_ITEMS = 60;
/** Above this number of events, or of characters in them, the oldest are removed, while the reader is at the end. */
const KEPT_EVENTS = 4_000;
const KEPT_CHARS = 4_000_000;
/** So many times more are kept while the reader is not at the end. Above it, no more is read until the reader is. */
const AWAY = 2;
const RETRY_MS = 1_500;

interface Entry {
  readonly event: WorkerEvent;
  /** The position before the event; null for an event that came with a page and not from the stream. */
  readonly before: Cursor | null;
  readonly chars: number;
}

const entryOf = (event: WorkerEvent, before: Cursor | null): Entry => ({
  event,
  before,
  chars: JSON.stringify(event).length,
});

/**
 * The end of a Worker's log, live, and as many pages before it as were asked for. The events are the only copy: the
 * blocks are folded from them. They take a bounded part of the memory, however long the thread is followed.
 */
export class Thread extends Source<ThreadState> {
  readonly writing = new Writing();
  readonly #api: RuntimeClient;
  readonly #workerId: string;
  #stop = new AbortController();
  #entries: Entry[] = [];
  /** The sum of the characters of all entries. */
  #chars = 0;
  #isAtEnd = true;
  /** True if the log has events after those that were read for a reader who was not at the end. */
  #isBehind = false;
  /** Lets the reading continue that waits for the reader. */
  #onEnd: () => void = () => {};
  #conversation = new Conversation({ events: [], keptItems: 0 });
  #older: Cursor | null = null;
  #gaps: readonly LogGap[] = [];
  #archived: WorkerSummary['archived'] = null;
  /** True if the position at which reading begins is known. */
  #isOpen = false;
  /** The number of the last event when the thread was opened: with it, the last page is complete. */
  #endSeq = Number.POSITIVE_INFINITY;
  #isReadingOlder = false;
  #ended: string | null = null;

  constructor(api: RuntimeClient, workerId: string) {
    super();
    this.#api = api;
    this.#workerId = workerId;
  }

  /** Reads one page of earlier events. */
  async readOlder(): Promise<void> {
    const end = this.#older;
    if (end === null || this.#isReadingOlder) return;
    this.#isReadingOlder = true;
    this.changed();
    try {
      const start = await this.#positionBack(end).catch((error: unknown) => this.#ifArchived(error));
      const first = this.#entries[0]?.event.seq ?? Number.POSITIVE_INFINITY;
      const page = await this.#eventsBetween(start, first);
      this.#older = start;
      this.#replace([...page.map((event) => entryOf(event, null)), ...this.#entries]);
    } finally {
      this.#isReadingOlder = false;
      this.changed();
    }
  }

  /** True while the reader sees the end: only then the oldest events may be removed. */
  set isAtEnd(isAtEnd: boolean) {
    if (isAtEnd === this.#isAtEnd) return;
    this.#isAtEnd = isAtEnd;
    if (!isAtEnd) return;
    this.#trim();
    this.#onEnd();
  }

  protected override take(): ThreadState {
    return {
      isLoaded: this.#isOpen && (this.#entries.at(-1)?.event.seq ?? 0) >= this.#endSeq,
      events: this.#events,
      blocks: this.#conversation.blocks,
      requests: this.#conversation.requests,
      hasOlder: this.#older !== null,
      isReadingOlder: this.#isReadingOlder,
      gaps: this.#gaps,
      archived: this.#archived,
      ended: this.#ended,
    };
  }

  protected override begin(): void {
    this.#stop = new AbortController();
    void this.#follow(this.#stop.signal);
  }

  protected override end(): void {
    this.#stop.abort();
    this.isAtEnd = true;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        // the end may be far: it is read as at first, and not all that is between
        if (this.#isBehind) this.#forget();
        if (!this.#isOpen) await this.#open();
        const after = this.#conversation.cursor ?? this.#older ?? this.#beginning;
        for await (const item of this.#api.observe(this.#workerId, { after, acrossRestarts: true, signal })) {
          if (item.type === 'event') {
            this.#add(entryOf(item.event, this.#conversation.cursor ?? this.#older ?? this.#beginning));
          }
          if (item.type === 'gap') this.#gaps = [...this.#gaps, item];
          if (item.type === 'ended') {
            this.#ended = item.code;
            this.changed();
            return;
          }
          this.#conversation.apply(item);
          this.writing.follow(this.#conversation);
          if (item.type !== 'delta') this.changed();
          if (item.type !== 'event') continue;
          if (this.#isAtEnd) this.#trim();
          else if (this.#isAbove(AWAY)) break;
        }
        if (!this.#isAtEnd && this.#isAbove(AWAY)) {
          this.#isBehind = true;
          await this.#end(signal);
          continue;
        }
      } catch (error) {
        if (signal.aborted) return;
        const code = (error as { readonly code?: string }).code ?? 'INTERNAL';
        if (code === 'WORKER_NOT_FOUND') {
          this.#ended = code;
          this.changed();
          return;
        }
        // the log was replaced, or another runtime answers: begin again
        if (code.startsWith('CURSOR_')) this.#forget();
        if (code === 'UNAUTHENTICATED') await seenAgain();
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  get #events(): WorkerEvent[] {
    return this.#entries.map(({ event }) => event);
  }

  #add(entry: Entry): void {
    this.#entries.push(entry);
    this.#chars += entry.chars;
  }

  #replace(entries: Entry[]): void {
    this.#entries = entries;
    this.#chars = entries.reduce((sum, { chars }) => sum + chars, 0);
    this.#conversation.foldBlocks(this.#events);
    this.changed();
  }

  #isAbove(times: number): boolean {
    return this.#entries.length > KEPT_EVENTS * times || this.#chars > KEPT_CHARS * times;
  }

  /** Removes the oldest events, if there are many: one half, so that this is rare. */
  #trim(): void {
    if (!this.#isAbove(1)) return;
    let [events, chars] = [this.#entries.length, this.#chars];
    const from = this.#entries.findIndex(({ before, chars: own }) => {
      if (before !== null && events <= KEPT_EVENTS / 2 && chars <= KEPT_CHARS / 2) return true;
      events -= 1;
      chars -= own;
      return false;
    });
    // the last event stays, however long it is
    const kept = this.#entries.slice(from === -1 ? -1 : from);
    const [first] = kept;
    if (!first || first.before === null) return;
    this.#older = first.before;
    this.#replace(kept);
  }

  /** Resolves when the reader is at the end again, or no reader is left. */
  #end(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#onEnd = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  async #open(): Promise<void> {
    const start = await this.#positionBack('end');
    const [{ items: requests }, { lastSeq, archived }] = await Promise.all([
      this.#api.listRequests(this.#workerId),
      this.#api.getWorker(this.#workerId),
    ]);
    this.#archived = archived ?? null;
    this.#older = start;
    this.#endSeq = lastSeq;
    this.#conversation = new Conversation({ requests, events: this.#events, keptItems: 0 });
    this.#isOpen = true;
    this.changed();
  }

  #forget(): void {
    this.#isOpen = false;
    this.#isBehind = false;
    this.#conversation = new Conversation({ events: [], keptItems: 0 });
    this.#entries = [];
    this.#chars = 0;
    this.#gaps = [];
    this.writing.follow(this.#conversation);
    this.changed();
  }

  /** The position at which the log begins. */
  get #beginning(): Cursor {
    return this.#archived?.cursor ?? 'start';
  }

  /** Returns null, for the beginning of the log, if the history before a position was archived in the meantime. */
  async #ifArchived(error: unknown): Promise<null> {
    if ((error as { readonly code?: string }).code !== 'CURSOR_EXPIRED') throw error;
    this.#archived = (await this.#api.getWorker(this.#workerId)).archived ?? null;
    return null;
  }

  /** Returns the position before a page of items that ends at a position; null for the beginning of the log. */
  async #positionBack(end: Cursor): Promise<Cursor | null> {
    const { next } = await this.#api.transcript(this.#workerId, { before: end, limit: PAGE_ITEMS });
    return next;
  }

  /** Reads the events after a position, up to the one with this number. */
  async #eventsBetween(start: Cursor | null, endSeq: number): Promise<WorkerEvent[]> {
    const events: WorkerEvent[] = [];
    for (let after: Cursor | null = start ?? this.#beginning; after !== null; ) {
      const {
        items,
        next,
        gaps = [],
      }: Awaited<ReturnType<RuntimeClient['events']>> = await this.#api.events(this.#workerId, { after });
      this.#gaps = [...gaps, ...this.#gaps];
      for (const event of items) {
        if (event.seq >= endSeq) return events;
        events.push(event);
      }
      after = next;
    }
    return events;
  }
}
