import type { Cursor } from '../contracts/cursor.ts';
import type { WatchItem } from '../contracts/observation.ts';
import type { ErrorCode } from '../contracts/runtime-error.ts';
import type { WatchStream as Contract } from '../contracts/stream.ts';
import type { WorkerSummary } from '../contracts/worker.ts';
import { decodeWatchCursor, encodeWatchCursor } from '../log/cursor.ts';
import type { Changes, WatchPosition } from '../workers/changes.ts';
import type { Worker } from '../workers/worker.ts';

/** Opened the watch, and answers for the runtime. */
export interface WatchStreamOwner {
  summaryOf(worker: Worker): WorkerSummary;
  /** The reason why no further change can come; null while one can. */
  endOfRuntime(): ErrorCode | null;
  closed(stream: WatchStream): void;
}

export interface WatchStreamOptions {
  readonly changes: Changes<Worker>;
  /** Identifies this start of the runtime, because revisions of another start mean nothing. */
  readonly epoch: string;
  readonly after: Cursor | undefined;
  readonly owner: WatchStreamOwner;
}

/**
 * One watch over all Workers: a position in the order of changes. It walks to the end, delivers the present state of
 * each Worker once, then `synced`, and sleeps. It keeps no history and no queue: a watch whose cursor is gone begins
 * again with `reset`.
 */
export class WatchStream implements Contract {
  readonly #options: WatchStreamOptions;
  #position: WatchPosition<Worker>;
  #needsReset: boolean;
  #isSynced = false;
  #isOver = false;
  #cancelWake: () => void = () => {};
  #wake: (() => void) | null = null;

  constructor(options: WatchStreamOptions) {
    const { changes, epoch, after } = options;
    this.#options = options;
    const revision = decodeWatchCursor(after, epoch);
    const position = revision === null ? null : changes.openPosition(revision);
    this.#needsReset = position === null;
    this.#position = position ?? (changes.openPosition(0) as WatchPosition<Worker>);
  }

  get cursor(): Cursor {
    return encodeWatchCursor(this.#options.epoch, this.#position.revision);
  }

  pull(maxItems: number): readonly WatchItem[] | null {
    if (this.#isOver) return null;
    const items: WatchItem[] = [];
    if (this.#needsReset) {
      this.#needsReset = false;
      items.push({ type: 'reset' });
    }
    while (items.length < maxItems) {
      const change = this.#position.next();
      if (!change) break;
      this.#isSynced = false;
      items.push(
        change.type === 'worker'
          ? { type: 'worker', worker: this.#options.owner.summaryOf(change.worker) }
          : { type: 'worker-removed', workerId: change.workerId },
      );
    }
    if (items.length < maxItems && !this.#isSynced) {
      this.#isSynced = true;
      items.push({ type: 'synced', cursor: this.cursor });
    }
    if (items.length > 0) return items;
    const code = this.#options.owner.endOfRuntime();
    if (code === null) return null;
    this.close();
    return [{ type: 'ended', code }];
  }

  onDue(callback: () => void): void {
    if (this.#isOver) return;
    this.#cancelWake();
    this.#wake = callback;
    this.#cancelWake = this.#options.changes.onChange(() => this.wake());
  }

  /** Wakes the reader for another reason than a change: the runtime stops. */
  wake(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelWake();
    this.#options.owner.closed(this);
  }
}
