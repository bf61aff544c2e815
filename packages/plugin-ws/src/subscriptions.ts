import { type Cursor, RuntimeError, type ServedRuntime } from '@worker-runtime/core';
import type { FrameCache } from './frame-cache.ts';
import { frameOf } from './frames.ts';
import type { Subscription } from './subscription.ts';
import { WatchSubscription } from './watch-subscription.ts';
import { WorkerSubscription } from './worker-subscription.ts';

export interface SubscriptionsOptions {
  readonly runtime: ServedRuntime;
  readonly frames: FrameCache;
  readonly limit: number;
  /** Called when something may be due. */
  readonly due: () => void;
  /** Told what a subscription failed with; gives what the client is told of it. */
  readonly failed: (cause: unknown) => { readonly error: RuntimeError; readonly correlationId: string };
}

/** A subscription, and where it stands in the turns of its socket. */
interface Place {
  readonly subscription: Subscription;
  /** Read from the store, and not sent yet. */
  ready: Buffer | null;
  isReading: boolean;
  isDue: boolean;
  /** When it last said something. */
  saidAt: number;
}

/** Reads of the store under way at once, so that a socket holds no more than that many frames besides its write. */
const READS = 2;

/** What one socket observes. Those with something due have turns, a frame each, however much one of them has. */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  /** By Worker; the watch has none. */
  readonly #places = new Map<string | undefined, Place>();
  readonly #due: Place[] = [];
  #reads = 0;
  #isClosed = false;

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  /** Whether `next` may have something now. */
  get isDue(): boolean {
    return this.#due.length > 0 && this.#reads < READS;
  }

  /** Whether something is due, or on its way from the store. */
  get hasDue(): boolean {
    return this.#due.length > 0 || this.#reads > 0;
  }

  /** @throws INVALID_REQUEST subscribed already · LIMIT_REACHED · what `openStream` rejects with */
  async subscribe(
    worker: string,
    after: Cursor | undefined,
    { deltas, cursors }: { readonly deltas: boolean; readonly cursors: boolean },
  ): Promise<void> {
    this.#assertRoom(worker);
    const { runtime, frames } = this.#options;
    const stream = await runtime.openStream(worker, { deltas, ...(after !== undefined && { after }) });
    if (this.#isClosed) return stream.close();
    this.#add((due) => new WorkerSubscription({ worker, stream, frames, cursors, due }));
  }

  /** @throws INVALID_REQUEST watched already · LIMIT_REACHED · what `openWatch` throws */
  watch(after: Cursor | undefined): void {
    this.#assertRoom(undefined);
    const stream = this.#options.runtime.openWatch(after === undefined ? {} : { after });
    this.#add((due) => new WatchSubscription(stream, due));
  }

  /** Ends one, if it is there. */
  end(worker: string | undefined): void {
    const place = this.#places.get(worker);
    if (!place) return;
    this.#places.delete(worker);
    if (place.isDue) this.#due.splice(this.#due.indexOf(place), 1);
    place.subscription.close();
  }

  close(): void {
    this.#isClosed = true;
    for (const worker of [...this.#places.keys()]) this.end(worker);
  }

  /** The next frame of whoever's turn it is; null when nothing is due, or the store is being asked. */
  next(now: number): Buffer | null {
    while (this.isDue) {
      const place = this.#due.shift() as Place;
      place.isDue = false;
      const frame = this.#frameOf(place);
      if (frame === null) continue;
      place.saidAt = now;
      // it is asked again behind the others
      if (this.#isThere(place)) this.#setDue(place);
      return frame;
    }
    return null;
  }

  /** The positions of those that were quiet since a time. */
  *bookmarks(before: number): Generator<Buffer> {
    for (const place of this.#places.values()) {
      if (place.saidAt > before || place.isReading || place.isDue) continue;
      const bookmark = place.subscription.bookmark();
      if (bookmark === null) continue;
      place.saidAt = performance.now();
      yield bookmark;
    }
  }

  #frameOf(place: Place): Buffer | null {
    const { subscription, ready } = place;
    if (ready) {
      place.ready = null;
      return ready;
    }
    try {
      const frame = subscription.next();
      if (frame instanceof Promise) {
        void this.#read(place, frame);
        return null;
      }
      return frame ?? this.#endOf(place);
    } catch (cause) {
      return this.#failureOf(place, cause);
    }
  }

  async #read(place: Place, frame: Promise<Buffer | null>): Promise<void> {
    this.#reads += 1;
    place.isReading = true;
    try {
      const read = await frame;
      if (this.#isThere(place)) place.ready = read ?? this.#endOf(place);
    } catch (cause) {
      if (this.#isThere(place)) place.ready = this.#failureOf(place, cause);
    }
    this.#reads -= 1;
    place.isReading = false;
    if (place.ready !== null) this.#setDue(place);
    this.#options.due();
  }

  /** What is said when a subscription is over. That the runtime stops is said once, of the whole socket. */
  #endOf({ subscription }: Place): Buffer | null {
    const { ended, worker } = subscription;
    if (ended === null) return null;
    this.end(worker);
    if (ended === 'RUNTIME_STOPPING') return null;
    return frameOf({ type: 'ended', ...(worker !== undefined && { worker }), code: ended });
  }

  #failureOf({ subscription }: Place, cause: unknown): Buffer {
    const { worker } = subscription;
    const { error, correlationId } = this.#options.failed(cause);
    this.end(worker);
    return frameOf({
      type: 'ended',
      ...(worker !== undefined && { worker }),
      code: error.code,
      correlationId,
    });
  }

  #setDue(place: Place): void {
    if (place.isDue) return;
    place.isDue = true;
    this.#due.push(place);
  }

  #isThere(place: Place): boolean {
    return this.#places.get(place.subscription.worker) === place;
  }

  #assertRoom(worker: string | undefined): void {
    const { limit } = this.#options;
    if (this.#places.has(worker)) {
      throw new RuntimeError('INVALID_REQUEST', 'A socket observes the same once', {
        details: worker === undefined ? {} : { worker },
      });
    }
    if (this.#places.size >= limit) {
      throw new RuntimeError('LIMIT_REACHED', 'A socket observes no more than this', {
        details: { limit: 'subscriptions', value: limit },
      });
    }
  }

  #add(subscribe: (due: () => void) => Subscription): void {
    const due = (): void => {
      if (!this.#isThere(place) || place.isReading) return;
      this.#setDue(place);
      this.#options.due();
    };
    const place: Place = {
      subscription: subscribe(due),
      ready: null,
      isReading: false,
      isDue: false,
      saidAt: performance.now(),
    };
    this.#places.set(place.subscription.worker, place);
    due();
  }
}
