import { createHash, type Hash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { RuntimeApi, WorkerEvent } from '@worker-runtime/core';

/** The time in which a commit in progress has ended. */
const SETTLE_MS = 6_000;
/** The most findings that are kept. */
const FINDINGS = 10;

/**
 * The events that one reader received of one Worker, from the first on: a count and a hash, to compare with the log.
 */
export class ObservedEvents {
  readonly workerId: string;
  count = 0;
  /** The number of events that did not follow the previous one. */
  misplaced = 0;
  #hash: Hash = createHash('sha256');

  constructor(workerId: string) {
    this.workerId = workerId;
  }

  add(event: WorkerEvent): void {
    if (event.seq !== this.count + 1) this.misplaced += 1;
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
  /** The number of readers whose events were not the beginning of the log. */
  readonly misread: number;
}

/** Records the acknowledgements of the runtime, and compares them with its logs at the end. */
export class Oracle {
  /** The idempotency keys of acknowledged inputs, by Worker. */
  readonly #acknowledged = new Map<string, Set<string>>();
  readonly #stopped = new Set<string>();
  readonly #readers = new Set<ObservedEvents>();
  wrongStatus = 0;
  /** The first wrong statuses that were found. */
  readonly findings: string[] = [];

  recordAcknowledged(workerId: string, key: string): void {
    const keys = this.#acknowledged.get(workerId) ?? new Set();
    keys.add(key);
    this.#acknowledged.set(workerId, keys);
  }

  /** Records that the runtime reported a Worker as stopped. It must stay stopped until it is resumed. */
  expectStopped(workerId: string): void {
    this.#stopped.add(workerId);
  }

  /** Records that a Worker is about to be resumed. */
  allowRunning(workerId: string): void {
    this.#stopped.delete(workerId);
  }

  addReader(workerId: string): ObservedEvents {
    const observed = new ObservedEvents(workerId);
    this.#readers.add(observed);
    return observed;
  }

  /**
   * Compares the status of all Workers with what the runtime reported before. A Worker whose status is wrong is looked at
   * again after some seconds: the end of a run is committed a moment after its execution has gone.
   */
  async checkStatus(api: RuntimeApi): Promise<void> {
    if ((await this.#wrongIn(api)).size === 0) return;
    await delay(SETTLE_MS);
    const first = await this.#wrongIn(api);
    await delay(SETTLE_MS);
    const second = await this.#wrongIn(api);
    for (const [workerId, found] of second) {
      if (first.get(workerId) !== found) continue;
      this.wrongStatus += 1;
      if (this.findings.length < FINDINGS) this.findings.push(found);
    }
  }

  /** Returns what is wrong with the status of Workers, by their ids. A finding names the run, so that it is of one moment. */
  async #wrongIn(api: RuntimeApi): Promise<ReadonlyMap<string, string>> {
    const stopped = new Set(this.#stopped);
    const wrong = new Map<string, string>();
    for (let after: string | null = 'start'; after !== null; ) {
      const { items, next }: Awaited<ReturnType<RuntimeApi['listWorkers']>> = await api.listWorkers({
        after,
      });
      for (const { workerId, status, execution, run } of items) {
        const isMissingStop = stopped.has(workerId) && this.#stopped.has(workerId) && status !== 'stopped';
        const isLost = status === 'running' && !execution.connected;
        if (isMissingStop || isLost)
          wrong.set(
            workerId,
            `${workerId} is ${status}${isMissingStop ? ' after a stop' : ''}, run ${run?.runId ?? 'none'}, ` +
              `connected ${execution.connected}`,
          );
      }
      after = next;
    }
    return wrong;
  }

  /**
   * Reads every log from the beginning, and compares it with the acknowledgements and with what the readers received.
   */
  async judge(api: RuntimeApi, workerIds: readonly string[]): Promise<Verdict> {
    let acknowledged = 0;
    let lost = 0;
    let duplicated = 0;
    let misread = 0;
    for (const workerId of workerIds) {
      const found = new Map<string, number>();
      const readers = [...this.#readers].filter((reader) => reader.workerId === workerId);
      const log = new ObservedEvents(workerId);
      const compareReaders = (): void => {
        for (const reader of readers)
          if (reader.count === log.count && (reader.misplaced > 0 || reader.digest !== log.digest))
            misread += 1;
      };
      for (let after: string | null = 'start'; after !== null; ) {
        const { items, next }: Awaited<ReturnType<RuntimeApi['events']>> = await api.events(workerId, {
          after,
          limit: 1_000,
        });
        for (const event of items) {
          log.add(event);
          if (readers.some(({ count }) => count === event.seq)) compareReaders();
          if (event.type !== 'input.accepted' || event.data.key === undefined) continue;
          const { value } = event.data.key;
          found.set(value, (found.get(value) ?? 0) + 1);
        }
        after = next;
      }
      misread += readers.filter(({ count }) => count > log.count).length + log.misplaced;
      for (const key of this.#acknowledged.get(workerId) ?? []) {
        acknowledged += 1;
        if (!found.has(key)) lost += 1;
      }
      for (const times of found.values()) duplicated += times - 1;
    }
    return { acknowledged, lost, duplicated, wrongStatus: this.wrongStatus, misread };
  }
}
