import { type Cursor, RuntimeError } from '@worker-runtime/core';
import type { ServedRuntime } from '@worker-runtime/core/plugin-kit';
import type { FrameCache } from './frame-cache.ts';
import { frameOf } from './frames.ts';
import type { Subscription } from './subscription.ts';
import { WatchSubscription } from './watch-subscription.ts';
import { WorkerSubscription } from './worker-subscription.ts';

export interface SubscriptionsOptions {
  readonly runtime: ServedRuntime;
  readonly frames: FrameCache;
  readonly limit: number;
  /** Takes a subscription of the runtime for the caller, and returns the function that gives it back. @throws LIMIT_REACHED */
  readonly take: () => () => void;
  /** Called when something may be due. */
  readonly due: () => void;
  /** Called when another process serves the runtime now, and the socket with it. */
  readonly moved: () => void;
  /** Logs the error of a subscription, and returns what the client receives of it. */
  readonly failed: (cause: unknown) => { readonly error: RuntimeError; readonly correlationId: string };
}

/** A subscription and its state in the send order of its socket. */
interface SendSlot {
  readonly subscription: Subscription;
  /** Gives the subscription back to the runtime. */
  readonly giveBack: () => void;
  /** A frame that was read from the store and is not sent yet. */
  ready: Buffer | null;
  isReading: boolean;
  isDue: boolean;
  /** The time of its last frame. */
  sentAt: number;
}

/** The most concurrent reads of the store. It bounds the frames that a socket holds besides its write. */
const MAX_READS = 2;

/**
 * The subscriptions of one socket. Those with frames due send in turn, one frame each, so that a busy one does not delay
 * the others.
 */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  /** The slots by Worker id; that of the watch is undefined. */
  readonly #slots = new Map<string | undefined, SendSlot>();
  readonly #due: SendSlot[] = [];
  #reads = 0;
  #isClosed = false;

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  /** True if `next` may return a frame now. */
  get hasNext(): boolean {
    return this.#due.length > 0 && this.#reads < MAX_READS;
  }

  /** True if a frame is due or is being read from the store. */
  get hasPending(): boolean {
    return this.#due.length > 0 || this.#reads > 0;
  }

  /** @throws INVALID_REQUEST the Worker has a subscription · LIMIT_REACHED · the errors of `openStream` */
  async subscribe(
    worker: string,
    after: Cursor | undefined,
    { deltas, cursors }: { readonly deltas: boolean; readonly cursors: boolean },
  ): Promise<void> {
    this.#assertFree(worker);
    const { runtime, frames, take } = this.#options;
    const giveBack = take();
    try {
      const stream = await runtime.openStream(worker, { deltas, ...(after !== undefined && { after }) });
      if (!this.#isClosed)
        return this.#add(giveBack, (due) => new WorkerSubscription({ worker, stream, frames, cursors, due }));
      stream.close();
    } catch (error) {
      giveBack();
      throw error;
    }
    giveBack();
  }

  /** @throws INVALID_REQUEST there is a watch · LIMIT_REACHED · the errors of `openWatch` */
  watch(after: Cursor | undefined, batches: boolean): void {
    this.#assertFree(undefined);
    const { runtime, take } = this.#options;
    const giveBack = take();
    try {
      const stream = runtime.openWatch(after === undefined ? {} : { after });
      this.#add(giveBack, (due) => new WatchSubscription(stream, batches, due));
    } catch (error) {
      giveBack();
      throw error;
    }
  }

  /** Closes and removes a subscription, if it exists. */
  unsubscribe(worker: string | undefined): void {
    const slot = this.#slots.get(worker);
    if (!slot) return;
    this.#slots.delete(worker);
    if (slot.isDue) this.#due.splice(this.#due.indexOf(slot), 1);
    slot.subscription.close();
    slot.giveBack();
  }

  /** Closes all subscriptions. */
  close(): void {
    this.#isClosed = true;
    for (const worker of [...this.#slots.keys()]) this.unsubscribe(worker);
  }

  /** Returns the frame of the next subscription in turn; null if none is due or all due frames are being read. */
  next(now: number): Buffer | null {
    while (this.hasNext) {
      const slot = this.#due.shift() as SendSlot;
      slot.isDue = false;
      const frame = this.#frameOf(slot);
      if (frame === null) continue;
      slot.sentAt = now;
      // it may have more: it goes to the end of the send order
      if (this.#isCurrent(slot)) this.#setDue(slot);
      return frame;
    }
    return null;
  }

  /** Yields the positions of subscriptions that sent nothing since a time. */
  *bookmarks(before: number): Generator<Buffer> {
    for (const slot of this.#slots.values()) {
      if (slot.sentAt > before || slot.isReading || slot.isDue) continue;
      const bookmark = slot.subscription.bookmark();
      if (bookmark === null) continue;
      slot.sentAt = performance.now();
      yield bookmark;
    }
  }

  #frameOf(slot: SendSlot): Buffer | null {
    const { subscription, ready } = slot;
    if (ready) {
      slot.ready = null;
      return ready;
    }
    try {
      const frame = subscription.next();
      if (frame instanceof Promise) {
        void this.#read(slot, frame);
        return null;
      }
      return frame ?? this.#endOf(slot);
    } catch (cause) {
      return this.#failureOf(slot, cause);
    }
  }

  async #read(slot: SendSlot, frame: Promise<Buffer | null>): Promise<void> {
    this.#reads += 1;
    slot.isReading = true;
    try {
      const read = await frame;
      if (this.#isCurrent(slot)) slot.ready = read ?? this.#endOf(slot);
    } catch (cause) {
      if (this.#isCurrent(slot)) slot.ready = this.#failureOf(slot, cause);
    }
    this.#reads -= 1;
    slot.isReading = false;
    if (slot.ready !== null) this.#setDue(slot);
    this.#options.due();
  }

  /** Returns the last frame of a subscription that ended. If the runtime stops, the socket sends one `closing` instead. */
  #endOf({ subscription }: SendSlot): Buffer | null {
    const { ended, worker } = subscription;
    if (ended === null) return null;
    this.unsubscribe(worker);
    if (ended === 'RUNTIME_MOVED') this.#options.moved();
    if (ended === 'RUNTIME_STOPPING' || ended === 'RUNTIME_MOVED') return null;
    return frameOf({ type: 'ended', ...(worker !== undefined && { worker }), code: ended });
  }

  #failureOf({ subscription }: SendSlot, cause: unknown): Buffer {
    const { worker } = subscription;
    const { error, correlationId } = this.#options.failed(cause);
    this.unsubscribe(worker);
    if (error.code === 'RUNTIME_MOVED') this.#options.moved();
    return frameOf({
      type: 'ended',
      ...(worker !== undefined && { worker }),
      code: error.code,
      correlationId,
    });
  }

  #setDue(slot: SendSlot): void {
    if (slot.isDue) return;
    slot.isDue = true;
    this.#due.push(slot);
  }

  #isCurrent(slot: SendSlot): boolean {
    return this.#slots.get(slot.subscription.worker) === slot;
  }

  #assertFree(worker: string | undefined): void {
    const { limit } = this.#options;
    if (this.#slots.has(worker)) {
      throw new RuntimeError('INVALID_REQUEST', 'This socket already has a subscription for that target', {
        details: worker === undefined ? {} : { worker },
      });
    }
    if (this.#slots.size >= limit) {
      throw new RuntimeError('LIMIT_REACHED', `A socket can have at most ${limit} subscriptions`, {
        details: { limit: 'subscriptions', value: limit },
      });
    }
  }

  #add(giveBack: () => void, subscribe: (due: () => void) => Subscription): void {
    const due = (): void => {
      if (!this.#isCurrent(slot) || slot.isReading) return;
      this.#setDue(slot);
      this.#options.due();
    };
    const slot: SendSlot = {
      subscription: subscribe(due),
      giveBack,
      ready: null,
      isReading: false,
      isDue: false,
      sentAt: performance.now(),
    };
    this.#slots.set(slot.subscription.worker, slot);
    due();
  }
}
