import { type RuntimeError, silentLogger } from '@worker-runtime/core';
import type { LogHead, StoredLog, StoreFinding, StoreHost } from '@worker-runtime/core/plugin-kit';
import { storedLogs } from '@worker-runtime/core/testing';
import type { PostgresStoreOptions } from '../src/index.ts';
import { PostgresStore } from '../src/postgres-store.ts';

const PAGE = { count: 1_000, bytes: 1_000_000, direction: 'forward' } as const;

/** A store, the heads of the logs that a test writes, and everything that the store reports. */
export class StoreWriter {
  readonly store: PostgresStore;
  readonly heads = new Map<string, LogHead>();
  readonly findings: StoreFinding[] = [];
  readonly losses: RuntimeError[] = [];
  readonly lost: Promise<RuntimeError>;
  listed: readonly StoredLog[] = [];
  /** The characters that a snapshot has besides its position. */
  snapshotChars = 0;
  #lose: (loss: RuntimeError) => void = () => {};

  constructor(options: PostgresStoreOptions) {
    this.store = new PostgresStore({ leaseMs: 400, ...options });
    this.lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
  }

  get host(): StoreHost {
    return {
      log: silentLogger,
      configuration: null,
      keptKeys: 1_000,
      snapshotOf: (log) => {
        const head = this.heads.get(log);
        return head && { head, text: `{"seq":${head.seq},"more":"${'x'.repeat(this.snapshotChars)}"}` };
      },
      report: (finding) => this.findings.push(finding),
      lost: (loss) => {
        this.losses.push(loss);
        this.#lose(loss);
      },
    };
  }

  async open(): Promise<this> {
    this.listed = await storedLogs(this.store.open(this.host));
    for (const { log, head } of this.listed) this.heads.set(log, head);
    return this;
  }

  /** Appends a line to a log, or creates the log with it. Returns its number. */
  async add(log: string, text: string): Promise<number> {
    const head = this.heads.get(log);
    const seq = (head?.seq ?? 0) + 1;
    const lines = Buffer.from(`{"seq":${seq},"text":${JSON.stringify(text)}}\n`);
    const batch = { lines, count: 1 };
    if (head) await this.store.append(log, head, batch);
    else await this.store.create(log, { workerId: `worker-of-${log}`, record: null }, batch);
    this.heads.set(log, { seq, bytes: (head?.bytes ?? 0) + lines.length });
    return seq;
  }

  /** Asks the store for the end of a log, and continues from there. Null: there is no such log. */
  async settle(log: string): Promise<LogHead | null> {
    try {
      const head = await this.store.head(log);
      this.heads.set(log, head);
      return head;
    } catch (error) {
      if ((error as RuntimeError).code !== 'WORKER_NOT_FOUND') throw error;
      this.heads.delete(log);
      return null;
    }
  }

  /** Reads the texts of all lines of a log. */
  async texts(log: string): Promise<readonly string[]> {
    const texts: string[] = [];
    for (;;) {
      const slice = await this.store.read(log, { seq: texts.length + 1, offset: 0 }, PAGE);
      if (slice.count === 0) return texts;
      for (const line of Buffer.from(slice.lines).toString().trimEnd().split('\n'))
        texts.push((JSON.parse(line) as { text: string }).text);
    }
  }
}
