import type { Cursor } from '../contracts/cursor.ts';
import type { WatchItem, WorkerSummary } from '../contracts/runtime-api.ts';
import type { ErrorCode } from '../contracts/runtime-error.ts';
import type { WatchStream as Contract } from '../contracts/stream.ts';
import { decodeWatchCursor, encodeWatchCursor } from '../log/cursor.ts';
import type { Changes, WatchPlace } from '../workers/changes.ts';
import type { Worker } from '../workers/worker.ts';

export interface WatchStreamOptions {
  readonly changes: Changes;
  /** Of this start of the runtime: revisions mean nothing in another. */
  readonly epoch: string;
  readonly after: Cursor | undefined;
  readonly summaryOf: (worker: Worker) => WorkerSummary;
  readonly endOf: () => ErrorCode | null;
  readonly closed: () => void;
}

/**
 * One watch over all Workers: a place in the order of change. It walks to the end, tells each Worker's present once,
 * says `synced`, and sleeps. There is no history and no queue: a watch whose cursor is gone begins again with `reset`.
 */
export class WatchStream implements Contract {
  readonly #options: WatchStreamOptions;
  #place: WatchPlace;
  #needsReset: boolean;
  #isSynced = false;
  #isOver = false;
  #callOff: () => void = () => {};
  #wake: (() => void) | null = null;

  constructor(options: WatchStreamOptions) {
    const { changes, epoch, after } = options;
    this.#options = options;
    const revision = decodeWatchCursor(after, epoch);
    const place = revision === null ? null : changes.stand(revision);
    this.#needsReset = place === null;
    this.#place = place ?? (changes.stand(0) as WatchPlace);
  }

  get cursor(): Cursor {
    return encodeWatchCursor(this.#options.epoch, this.#place.revision);
  }

  /** The next items, at least one, or null: then wait for `onDue`. After `ended`, and after `close`, always null. */
  pull(maxItems: number): readonly WatchItem[] | null {
    if (this.#isOver) return null;
    const items: WatchItem[] = [];
    if (this.#needsReset) {
      this.#needsReset = false;
      items.push({ type: 'reset' });
    }
    while (items.length < maxItems) {
      const change = this.#place.next();
      if (!change) break;
      this.#isSynced = false;
      items.push(
        change.type === 'worker'
          ? { type: 'worker', worker: this.#options.summaryOf(change.worker) }
          : { type: 'worker-removed', workerId: change.workerId },
      );
    }
    if (items.length < maxItems && !this.#isSynced) {
      this.#isSynced = true;
      items.push({ type: 'synced', cursor: this.cursor });
    }
    if (items.length > 0) return items;
    const code = this.#options.endOf();
    if (code === null) return null;
    this.close();
    return [{ type: 'ended', code }];
  }

  /** Calls back once, as soon as something may be due. Forgets an earlier callback. */
  onDue(callback: () => void): void {
    if (this.#isOver) return;
    this.#callOff();
    this.#wake = callback;
    this.#callOff = this.#options.changes.onChange(() => this.wake());
  }

  /** Something other than a change is due: the runtime stops. */
  wake(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#callOff();
    this.#place.leave();
    this.#options.closed();
  }
}
