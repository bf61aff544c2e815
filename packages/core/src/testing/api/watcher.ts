import type { Cursor } from '../../contracts/cursor.ts';
import type { WatchItem } from '../../contracts/observation.ts';
import type { RuntimeApi } from '../../contracts/runtime-api.ts';
import type { WorkerSummary } from '../../contracts/worker.ts';
import type { TestContext } from '../store/harness.ts';
import { Waiters } from './waiters.ts';

/** A client that watches all Workers and keeps their current summaries. */
export class Watcher {
  readonly items: WatchItem[] = [];
  readonly workers = new Map<string, WorkerSummary>();
  cursor: Cursor | null = null;
  readonly #controller = new AbortController();
  readonly #ended: Promise<void>;
  readonly #t: TestContext;
  readonly #waiters = new Waiters();

  constructor(t: TestContext, api: RuntimeApi, after?: Cursor, known: readonly WorkerSummary[] = []) {
    this.#t = t;
    for (const worker of known) this.workers.set(worker.workerId, worker);
    this.#ended = this.#read(
      api.watch({ signal: this.#controller.signal, ...(after !== undefined && { after }) }),
    );
  }

  /** Waits until the last item is `synced` and the condition holds. */
  async synced(holds: (watcher: Watcher) => boolean = () => true): Promise<void> {
    const isSynced = await this.#waiters.until(() => this.items.at(-1)?.type === 'synced' && holds(this));
    if (!isSynced) this.#t.fail('the watch timed out before it was synced');
  }

  async close(): Promise<void> {
    this.#controller.abort();
    await this.#ended;
  }

  ended(): Promise<void> {
    return this.#ended;
  }

  async #read(stream: AsyncIterable<WatchItem>): Promise<void> {
    for await (const item of stream) {
      this.items.push(item);
      if (item.type === 'reset') this.workers.clear();
      else if (item.type === 'worker') this.workers.set(item.worker.workerId, item.worker);
      else if (item.type === 'worker-removed') this.workers.delete(item.workerId);
      else if (item.type === 'synced') this.cursor = item.cursor;
      this.#waiters.wake();
    }
  }
}
