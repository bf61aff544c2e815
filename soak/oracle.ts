import { createHash, type Hash } from 'node:crypto';
import type { RuntimeApi, WorkerEvent } from '@worker-runtime/core';

/** What one reader saw of one Worker, from the first event on: as much as is needed to compare it with the log. */
export class Seen {
  readonly workerId: string;
  count = 0;
  /** Events that did not follow the one before them. */
  wrong = 0;
  #hash: Hash = createHash('sha256');

  constructor(workerId: string) {
    this.workerId = workerId;
  }

  take(event: WorkerEvent): void {
    if (event.seq !== this.count + 1) this.wrong += 1;
    this.count = event.seq;
    this.#hash.update(JSON.stringify(event));
  }

  get digest(): string {
    return this.#hash.copy().digest('hex');
  }
}

export interface Verdict {
  readonly acknowledged: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly wrongStatus: number;
  /** Readers whose stream was not the beginning of the log. */
  readonly misread: number;
}

/** Remembers what the runtime has promised, and compares it in the end with what it has. */
export class Oracle {
  /** By Worker, the keys of inputs that were acknowledged. */
  readonly #acknowledged = new Map<string, Set<string>>();
  readonly #stopped = new Set<string>();
  readonly #readers = new Set<Seen>();
  wrongStatus = 0;

  acknowledged(workerId: string, key: string): void {
    const keys = this.#acknowledged.get(workerId) ?? new Set();
    keys.add(key);
    this.#acknowledged.set(workerId, keys);
  }

  /** That a Worker is stopped was answered; until it is to be resumed, that stays so. */
  stopped(workerId: string): void {
    this.#stopped.add(workerId);
  }

  mayRun(workerId: string): void {
    this.#stopped.delete(workerId);
  }

  reader(workerId: string): Seen {
    const seen = new Seen(workerId);
    this.#readers.add(seen);
    return seen;
  }

  /** What the runtime says of its Workers, held against what it said before. */
  async checkStatus(api: RuntimeApi): Promise<void> {
    const stopped = new Set(this.#stopped);
    for (let after: string | null = 'start'; after !== null; ) {
      const { items, next }: Awaited<ReturnType<RuntimeApi['listWorkers']>> = await api.listWorkers({
        after,
      });
      for (const { workerId, status, execution } of items) {
        const isWrong =
          (stopped.has(workerId) && this.#stopped.has(workerId) && status !== 'stopped') ||
          (status === 'running' && !execution.connected);
        if (isWrong) this.wrongStatus += 1;
      }
      after = next;
    }
  }

  /** Reads every log from its beginning. */
  async judge(api: RuntimeApi, workerIds: readonly string[]): Promise<Verdict> {
    let acknowledged = 0;
    let lost = 0;
    let duplicated = 0;
    let misread = 0;
    for (const workerId of workerIds) {
      const found = new Map<string, number>();
      const readers = [...this.#readers].filter((seen) => seen.workerId === workerId);
      const log = new Seen(workerId);
      const expect = (): void => {
        for (const seen of readers)
          if (seen.count === log.count && (seen.wrong > 0 || seen.digest !== log.digest)) misread += 1;
      };
      for (let after: string | null = 'start'; after !== null; ) {
        const { items, next }: Awaited<ReturnType<RuntimeApi['events']>> = await api.events(workerId, {
          after,
          limit: 1_000,
        });
        for (const event of items) {
          log.take(event);
          if (readers.some(({ count }) => count === event.seq)) expect();
          if (event.type !== 'input.accepted' || event.data.key === undefined) continue;
          const { value } = event.data.key;
          found.set(value, (found.get(value) ?? 0) + 1);
        }
        after = next;
      }
      misread += readers.filter(({ count }) => count > log.count).length + log.wrong;
      for (const key of this.#acknowledged.get(workerId) ?? []) {
        acknowledged += 1;
        if (!found.has(key)) lost += 1;
      }
      for (const times of found.values()) duplicated += times - 1;
    }
    return { acknowledged, lost, duplicated, wrongStatus: this.wrongStatus, misread };
  }
}
