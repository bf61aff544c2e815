import { silentLogger } from '../../contracts/logger.ts';
import { type ErrorCode, RuntimeError } from '../../contracts/runtime-error.ts';
import type {
  Batch,
  LogSlice,
  NewLog,
  ReadLimits,
  RuntimeStore,
  StoredLog,
  StoreFinding,
  StoreHost,
} from '../../contracts/store.ts';
import type { StoreHarness, TestContext } from './harness.ts';
import { Ledger, type Range, snapshotAt } from './ledger.ts';

const PAGE = { count: 1_000, bytes: 1_048_576, direction: 'forward' } as const satisfies ReadLimits;

interface BeginOptions extends Partial<NewLog> {
  readonly hasKeys?: boolean;
}

/** One test's harness with the store that is open on it, and what the test has had acknowledged there. */
export class Place {
  readonly t: TestContext;
  readonly ledgers = new Map<string, Ledger>();
  /** What the store reported since it was opened last. */
  findings: StoreFinding[] = [];
  /** The number of key entries of each log that the store is asked to keep. */
  keptKeys = 1_000;
  /** Whether the runtime knows its logs well enough to describe them. */
  offersSnapshots = true;
  runtimeId = '';
  /** The logs that were listed when the store was opened last. */
  listed = new Map<string, StoredLog>();
  readonly #makeHarness: () => Promise<StoreHarness>;
  #harness: StoreHarness | null = null;
  #store: RuntimeStore | null = null;

  constructor(t: TestContext, makeHarness: () => Promise<StoreHarness>) {
    this.t = t;
    this.#makeHarness = makeHarness;
  }

  get harness(): StoreHarness {
    if (!this.#harness) throw new TypeError('The test uses a place that it has not opened');
    return this.#harness;
  }

  get store(): RuntimeStore {
    if (!this.#store) throw new TypeError('The test uses a store that it has not opened');
    return this.#store;
  }

  /** What this place's runtime offers to a store. */
  get host(): StoreHost {
    return {
      log: silentLogger,
      configuration: { plugins: ['contract'] },
      keptKeys: this.keptKeys,
      snapshotOf: (log) => {
        const ledger = this.offersSnapshots ? this.ledgers.get(log) : undefined;
        return ledger && snapshotAt(ledger.head);
      },
      report: (finding) => this.findings.push(finding),
    };
  }

  /** Opens a store; the first time on a place that is made for it, and is disposed of after the test. */
  async open(): Promise<void> {
    if (!this.#harness) {
      const harness = await this.#makeHarness();
      this.#harness = harness;
      this.t.teardown(async () => {
        await this.#store?.close();
        await harness.dispose();
      });
    }
    this.findings = [];
    const store = await this.harness.open();
    const opened = await store.open(this.host);
    this.#store = store;
    this.runtimeId = opened.runtimeId;
    const logs = [...opened.logs];
    this.listed = new Map(logs.map((log) => [log.log, log]));
    this.t.is(this.listed.size, logs.length, 'each log is listed once');
  }

  /** A second place of the same test, not open yet. */
  another(): Place {
    return new Place(this.t, this.#makeHarness);
  }

  /** Closes the store and returns it. */
  async close(): Promise<RuntimeStore> {
    const { store } = this;
    this.#store = null;
    await store.close();
    return store;
  }

  async reopen(): Promise<void> {
    await this.close();
    await this.open();
  }

  async kill(): Promise<void> {
    if (!this.harness.kill)
      throw new TypeError('The harness has no kill(); declare the capability "kill" as lacking');
    this.#store = null;
    await this.harness.kill();
  }

  ledger(log: string): Ledger {
    const ledger = this.ledgers.get(log);
    if (!ledger) throw new TypeError(`The test has not begun ${log}`);
    return ledger;
  }

  /** Begins a log with numbered lines, one per text. */
  async begin(log: string, texts: readonly string[], options: BeginOptions = {}): Promise<Ledger> {
    const { hasKeys = false, ...begin } = options;
    const whole: NewLog = { workerId: `worker-of-${log}`, record: { log }, ...begin };
    const ledger = new Ledger(whole);
    const batch = ledger.batch(texts, hasKeys);
    await this.store.create(log, whole, batch);
    ledger.note(batch);
    this.ledgers.set(log, ledger);
    return ledger;
  }

  /** Appends numbered lines, one per text, in one batch. */
  async add(log: string, texts: readonly string[], hasKeys = false): Promise<void> {
    const ledger = this.ledger(log);
    const batch: Batch = ledger.batch(texts, hasKeys);
    await this.store.append(log, ledger.head, batch);
    ledger.note(batch);
  }

  async remove(log: string): Promise<void> {
    await this.store.remove(log);
    this.ledgers.delete(log);
  }

  /** Checks that a slice is exactly these lines of the log. */
  checkSlice(log: string, slice: LogSlice, range: Range, what: string): void {
    const ledger = this.ledger(log);
    this.t.is(slice.count, range.to - range.from, `${what}: count`);
    this.t.is(slice.gap, null, `${what}: a healthy log has no gap`);
    this.checkBytes(slice.lines, ledger.bytes(range), what);
    if (slice.count === 0) return;
    const { seq, offset } = slice.first;
    this.t.deepEqual({ seq, offset }, ledger.position(range.from), `${what}: first`);
  }

  checkBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
    // Comparing as text is slow and shows a good difference: only where there is one.
    if (Buffer.compare(actual, expected) !== 0) {
      this.t.is(Buffer.from(actual).toString(), Buffer.from(expected).toString(), what);
      this.t.fail(`${what}: other bytes, though the same text`);
    }
  }

  /** Checks head, record and every line, page by page, of one log. */
  async checkLog(log: string): Promise<void> {
    const ledger = this.ledger(log);
    this.#checkHead(await this.store.head(log), ledger, log);
    this.t.deepEqual(await this.store.record(log), ledger.record, `${log}: record`);
    await this.#checkFrom(log, 1);
  }

  /** Checks that the store has the log's last keys: `keptKeys` or more of them, or all. */
  async checkKeys(log: string): Promise<void> {
    const given = this.ledger(log).keys;
    const kept = await this.store.keys(log);
    this.t.true(kept.length >= Math.min(this.keptKeys, given.length), `${log}: ${kept.length} keys are kept`);
    this.t.deepEqual(kept, given.slice(given.length - kept.length), `${log}: keys`);
  }

  /** Checks that exactly the acknowledged logs were listed, and that each listing leads to exactly its lines. */
  async checkListing(): Promise<void> {
    this.t.deepEqual([...this.listed.keys()].sort(), [...this.ledgers.keys()].sort(), 'listed logs');
    for (const [log, stored] of this.listed) {
      const ledger = this.ledger(log);
      this.t.is(stored.workerId, ledger.workerId, `${log}: workerId`);
      this.t.is(stored.isDamaged, false, `${log}: isDamaged`);
      this.#checkHead(stored.head, ledger, log);
      if (stored.snapshot) {
        const { head, text } = stored.snapshot;
        this.t.true(ledger.hadHead(head), `${log}: the snapshot is at a position that the log once ended at`);
        this.t.is(text, snapshotAt(head).text, `${log}: the snapshot is the one given at its position`);
      }
      const from = (stored.snapshot?.head.seq ?? 0) + 1;
      const to = from + Buffer.from(stored.tail).toString().split('\n').length - 1;
      this.checkBytes(stored.tail, ledger.bytes({ from, to }), `${log}: tail after the snapshot`);
      await this.#checkFrom(log, to);
    }
  }

  /** All of what was acknowledged is here, and nothing else. */
  async checkAll(): Promise<void> {
    for (const log of this.ledgers.keys()) await this.checkLog(log);
  }

  /** Checks that a call fails with a RuntimeError of this code. */
  async refuses(code: ErrorCode, what: string, call: () => Promise<unknown>): Promise<void> {
    let failure: unknown;
    try {
      await call();
    } catch (error) {
      failure = error;
    }
    // The runtime takes any other class for a bug of the store and answers INTERNAL.
    this.t.true(
      failure instanceof RuntimeError,
      `${what}: fails with a RuntimeError, not ${String(failure)}`,
    );
    this.t.is((failure as RuntimeError).code, code, what);
  }

  #checkHead({ seq, bytes }: { seq: number; bytes: number }, ledger: Ledger, log: string): void {
    this.t.deepEqual({ seq, bytes }, ledger.head, `${log}: head`);
  }

  async #checkFrom(log: string, start: number): Promise<void> {
    const ledger = this.ledger(log);
    for (let seq = start; seq <= ledger.head.seq; ) {
      const slice = await this.store.read(log, ledger.position(seq), PAGE);
      this.checkSlice(log, slice, ledger.expected(seq, PAGE), `${log} from ${seq}`);
      seq += slice.count;
    }
  }
}
