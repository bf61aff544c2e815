import type { Cursor } from '../contracts/cursor.ts';
import type { WatchItem } from '../contracts/observation.ts';
import type { StreamChunk, WatchStream, WorkerStream } from '../contracts/stream.ts';

/** The stream of a Worker, which ends when the Worker leaves the scope, as it ends after a deletion. */
export class ScopedWorkerStream implements WorkerStream {
  readonly #stream: WorkerStream;
  readonly #isVisible: () => boolean;
  #isOver = false;

  constructor(stream: WorkerStream, isVisible: () => boolean) {
    this.#stream = stream;
    this.#isVisible = isVisible;
  }

  get cursor(): Cursor {
    return this.#stream.cursor;
  }

  pull(maxBytes: number): StreamChunk | null | Promise<StreamChunk | null> {
    if (this.#isOver) return null;
    if (!this.#isVisible()) return this.#end();
    const chunk = this.#stream.pull(maxBytes);
    if (!(chunk instanceof Promise)) return chunk;
    // the Worker may leave the scope during the read
    return chunk.then((read) => {
      if (this.#isOver) return null;
      // a stream that ended by itself, for example after a deletion, has its own reason
      return read === null || read.type === 'ended' || this.#isVisible() ? read : this.#end();
    });
  }

  release(): void {
    this.#stream.release();
  }

  onDue(callback: () => void): void {
    this.#stream.onDue(callback);
  }

  close(): void {
    this.#isOver = true;
    this.#stream.close();
  }

  #end(): StreamChunk {
    this.close();
    return { type: 'ended', code: 'WORKER_NOT_FOUND' };
  }
}

/**
 * The watch over the Workers of a scope. It remembers the ids that it has delivered, because a Worker that leaves the scope is
 * delivered as removed only if the reader knows it.
 */
export class ScopedWatchStream implements WatchStream {
  readonly #stream: WatchStream;
  readonly #isVisible: (item: Extract<WatchItem, { readonly type: 'worker' }>) => boolean;
  readonly #delivered = new Set<string>();
  #needsReset: boolean;
  /** True if a `synced` would tell the reader something: other `synced` would show that Workers outside have changed. */
  #hasNews = true;

  constructor(
    stream: WatchStream,
    isVisible: (item: Extract<WatchItem, { readonly type: 'worker' }>) => boolean,
    needsReset: boolean,
  ) {
    this.#stream = stream;
    this.#isVisible = isVisible;
    this.#needsReset = needsReset;
  }

  get cursor(): Cursor {
    return this.#stream.cursor;
  }

  pull(maxItems: number): readonly WatchItem[] | null {
    if (this.#needsReset) {
      this.#needsReset = false;
      return [{ type: 'reset' }];
    }
    for (;;) {
      const items = this.#stream.pull(maxItems);
      if (items === null) return null;
      const inScope = items.flatMap((item) => this.#inScope(item) ?? []);
      if (inScope.length > 0) return inScope;
    }
  }

  onDue(callback: () => void): void {
    this.#stream.onDue(callback);
  }

  close(): void {
    this.#stream.close();
  }

  #inScope(item: WatchItem): WatchItem | null {
    switch (item.type) {
      case 'worker': {
        const { workerId } = item.worker;
        if (this.#isVisible(item)) this.#delivered.add(workerId);
        else if (this.#delivered.delete(workerId)) return this.#news({ type: 'worker-removed', workerId });
        else return null;
        return this.#news(item);
      }
      case 'worker-removed':
        return this.#delivered.delete(item.workerId) ? this.#news(item) : null;
      case 'synced':
        if (!this.#hasNews) return null;
        this.#hasNews = false;
        return item;
      case 'reset':
        this.#delivered.clear();
        return this.#news(item);
      case 'ended':
        return item;
    }
  }

  #news(item: WatchItem): WatchItem {
    this.#hasNews = true;
    return item;
  }
}
