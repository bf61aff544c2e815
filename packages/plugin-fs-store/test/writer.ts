import { type RuntimeError, silentLogger } from '@worker-runtime/core';
import type { StoredLog, StoreFinding, StoreHost } from '@worker-runtime/core/plugin-kit';
import { storedLogs } from '@worker-runtime/core/testing';
import { FsStore } from '../src/fs-store.ts';
import type { FsStoreOptions } from '../src/store/store-settings.ts';
import { FaultDisk } from './fault-disk.ts';

export const lineOf = (seq: number, text: string): Buffer =>
  Buffer.from(`{"seq":${seq},"data":${JSON.stringify(text)}}\n`);

/** A store on its own fault disk, with the acknowledged lines of each log as text. */
export class Writer {
  readonly disk = new FaultDisk();
  readonly store: FsStore;
  readonly findings: StoreFinding[] = [];
  readonly texts: Map<string, string>;
  /** The losses that the store has reported. */
  readonly losses: RuntimeError[] = [];
  /** Resolves with the first loss. */
  readonly lost: Promise<RuntimeError>;
  #markLost: (failure: RuntimeError) => void = () => {};
  listed: readonly StoredLog[] = [];

  constructor(options: FsStoreOptions, texts: Map<string, string> = new Map()) {
    this.store = new FsStore(options, this.disk);
    this.texts = texts;
    this.lost = new Promise((resolve) => {
      this.#markLost = resolve;
    });
  }

  get host(): StoreHost {
    return {
      log: silentLogger,
      configuration: null,
      keptKeys: 1_000,
      lost: (failure) => {
        this.losses.push(failure);
        this.#markLost(failure);
      },
      snapshotOf: (log) => ({ head: this.headOf(log), text: `{"bytes":${this.headOf(log).bytes}}` }),
      report: (finding) => this.findings.push(finding),
    };
  }

  async open(): Promise<this> {
    this.listed = await storedLogs(this.store.open(this.host));
    return this;
  }

  headOf(log: string): { seq: number; bytes: number } {
    const text = this.texts.get(log) ?? '';
    return { seq: text.split('\n').length - 1, bytes: Buffer.byteLength(text) };
  }

  async create(log: string): Promise<void> {
    const lines = lineOf(1, 'created');
    await this.store.create(log, { workerId: `worker-${log}`, record: { log } }, { lines, count: 1 });
    this.texts.set(log, lines.toString());
  }

  /** Appends one line, and keeps it in `texts` once it is acknowledged. */
  async append(log: string, text: string, hasKey = false, isEssential = false): Promise<void> {
    const head = this.headOf(log);
    const lines = lineOf(head.seq + 1, text);
    const key = { hash: `hash-${head.seq + 1}`, digest: 'd', seq: head.seq + 1, offset: head.bytes };
    await this.store.append(log, head, { lines, count: 1, keys: hasKey ? [key] : [], isEssential });
    this.texts.set(log, (this.texts.get(log) ?? '') + lines.toString());
  }

  /** Reads all readable lines of a log, and the gaps that the store reported. */
  async read(log: string): Promise<{ text: string; gaps: readonly string[] }> {
    const { seq: last } = await this.store.head(log);
    const pages: string[] = [];
    const gaps: string[] = [];
    for (let position = { seq: 1, offset: 0 }; position.seq <= last; ) {
      const limits = { count: 100, bytes: 65_536, direction: 'forward' } as const;
      const slice = await this.store.read(log, position, limits);
      if (slice.gap) gaps.push(`${slice.gap.afterSeq}-${slice.gap.beforeSeq}`);
      if (slice.count === 0) break;
      pages.push(Buffer.from(slice.lines).toString());
      position = { seq: slice.first.seq + slice.count, offset: slice.first.offset + slice.lines.length };
    }
    return { text: pages.join(''), gaps };
  }
}
