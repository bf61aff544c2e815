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
import { storedLogs } from '../stored-logs.ts';
import type { StoreHarness, TestContext } from './harness.ts';
import { LogModel, type Range, snapshotAt } from './log-model.ts';

const PAGE = { count: 1_000, bytes: 1_048_576, direction: 'forward' } as const satisfies ReadLimits;

interface BeginOptions extends Partial<NewLog> {
  readonly hasKeys?: boolean;
}

/** The store of one test, its harness, and the models of its logs. */
export class StoreScene {
  readonly t: TestContext;
  readonly models = new Map<string, LogModel>();
  /** The findings that the store has reported since its last open. */
  findings: StoreFinding[] = [];
  /** The losses that the store has reported since its last open. */
  losses: RuntimeError[] = [];
  /** The number of key entries of each log that the store is asked to keep. */
  keptKeys = 1_000;
  /** True if the host returns snapshots to the store. */
  offersSnapshots = true;
  runtimeId = '';
  /** The logs that the last open listed, by id. */
  listed = new Map<string, StoredLog>();
  readonly #makeHarness: () => Promise<StoreHarness>;
  #harness: StoreHarness | null = null;
  #store: RuntimeStore | null = null;

  constructor(t: TestContext, makeHarness: () => Promise<StoreHarness>) {
    this.t = t;
    this.#makeHarness = makeHarness;
  }

  get harness(): StoreHarness {
    if (!this.#harness) throw new TypeError('The test must call open() before it uses the harness');
    return this.#harness;
  }

  get store(): RuntimeStore {
    if (!this.#store) throw new TypeError('The test must call open() before it uses the store');
    return this.#store;
  }

  /** The host that the store is opened with. */
  get host(): StoreHost {
    return {
      log: silentLogger,
      configuration: { plugins: ['contract'] },
      keptKeys: this.keptKeys,
      snapshotOf: (log) => {
        const model = this.offersSnapshots ? this.models.get(log) : undefined;
        return model && snapshotAt(model.head);
      },
      report: (finding) => this.findings.push(finding),
      lost: (failure) => this.losses.push(failure),
    };
  }

  /** Returns a store that is not open. The first call makes the harness, and registers its disposal for the end of the test. */
  async unopened(): Promise<RuntimeStore> {
    if (!this.#harness) {
      const harness = await this.#makeHarness();
      this.#harness = harness;
      this.t.teardown(async () => {
        await this.#store?.close();
        await harness.dispose();
      });
    }
    return this.harness.open();
  }

  /** Opens a store. */
  async open(): Promise<void> {
    this.findings = [];
    this.losses = [];
    const store = await this.unopened();
    const opened = await store.open(this.host);
    this.#store = store;
    this.runtimeId = opened.runtimeId;
    const logs = await storedLogs(opened);
    this.listed = new Map(logs.map((log) => [log.log, log]));
    this.t.is(this.listed.size, logs.length, 'open lists each log once');
  }

  /** Returns a second scene of the same test, with a harness of its own. It is not open yet. */
  another(): StoreScene {
    return new StoreScene(this.t, this.#makeHarness);
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

  /** Kills the store. The next `open` opens another one. */
  async kill(): Promise<void> {
    if (!this.harness.kill)
      throw new TypeError('The harness has no kill(): name the capability "kill" in `lacks`');
    this.#store = null;
    await this.harness.kill();
  }

  /** Returns the model of a log. */
  model(log: string): LogModel {
    const model = this.models.get(log);
    if (!model) throw new TypeError(`The test must call begin() for ${log} first`);
    return model;
  }

  /** Creates a log with numbered lines, one per text. */
  async begin(log: string, texts: readonly string[], options: BeginOptions = {}): Promise<LogModel> {
    const { hasKeys = false, ...begin } = options;
    const whole: NewLog = { workerId: `worker-of-${log}`, record: { log }, ...begin };
    const model = new LogModel(whole);
    const batch = model.batch(texts, hasKeys);
    await this.store.create(log, whole, batch);
    model.add(batch);
    this.models.set(log, model);
    return model;
  }

  /** Appends numbered lines, one per text, in one batch. */
  async add(log: string, texts: readonly string[], hasKeys = false): Promise<void> {
    const model = this.model(log);
    const batch: Batch = model.batch(texts, hasKeys);
    await this.store.append(log, model.head, batch);
    model.add(batch);
  }

  /** Removes a log from the store and its model from the scene. */
  async remove(log: string): Promise<void> {
    await this.store.remove(log);
    this.models.delete(log);
  }

  /** Checks that a slice contains exactly these lines of the log. */
  checkSlice(log: string, slice: LogSlice, range: Range, what: string): void {
    const model = this.model(log);
    this.t.is(slice.count, range.to - range.from, `${what}: count`);
    this.t.is(slice.gap, null, `${what}: an undamaged log has no gap`);
    this.checkBytes(slice.lines, model.bytes(range), what);
    if (slice.count === 0) return;
    const { seq, offset } = slice.first;
    this.t.deepEqual({ seq, offset }, model.position(range.from), `${what}: first`);
  }

  checkBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
    // A comparison as text is slow but shows a readable difference, so it is made only if the bytes differ.
    if (Buffer.compare(actual, expected) !== 0) {
      this.t.is(Buffer.from(actual).toString(), Buffer.from(expected).toString(), what);
      this.t.fail(`${what}: the bytes differ, but decode to the same text`);
    }
  }

  /** Checks the head, the record and every line of one log. Reads the lines page by page. */
  async checkLog(log: string): Promise<void> {
    const model = this.model(log);
    this.#checkHead(await this.store.head(log), model, log);
    this.t.deepEqual(await this.store.record(log), model.record, `${log}: record`);
    await this.#checkFrom(log, model.trimmedTo + 1);
  }

  /** Checks that the store has the log's last keys: `keptKeys` or more of them, or all. */
  async checkKeys(log: string): Promise<void> {
    const given = this.model(log).keys;
    const kept = await this.store.keys(log);
    this.t.true(kept.length >= Math.min(this.keptKeys, given.length), `${log}: ${kept.length} keys are kept`);
    this.t.deepEqual(kept, given.slice(given.length - kept.length), `${log}: keys`);
  }

  /** Checks that the last open listed exactly the logs of the models, with their heads, snapshots, tails and lines. */
  async checkListing(): Promise<void> {
    this.t.deepEqual([...this.listed.keys()].sort(), [...this.models.keys()].sort(), 'listed logs');
    for (const [log, stored] of this.listed) {
      const model = this.model(log);
      this.t.is(stored.workerId, model.workerId, `${log}: workerId`);
      this.t.is(stored.isDamaged, false, `${log}: isDamaged`);
      this.#checkHead(stored.head, model, log);
      if (stored.snapshot) {
        const { head, text } = stored.snapshot;
        this.t.true(model.hadHead(head), `${log}: the snapshot is at a former head of the log`);
        this.t.is(text, snapshotAt(head).text, `${log}: the snapshot is the host's for this head`);
      }
      this.t.is(stored.base?.head.seq ?? 0, model.trimmedTo, `${log}: base`);
      if (stored.base) {
        const { head, text } = stored.base;
        this.t.is(head.bytes, model.offsetOf(head.seq + 1), `${log}: position of the base`);
        this.t.is((JSON.parse(text) as { base: number }).base, head.seq, `${log}: text of the base`);
        this.t.true((stored.snapshot?.head.seq ?? head.seq) >= head.seq, `${log}: snapshot before the base`);
      }
      const from = (stored.snapshot?.head.seq ?? stored.base?.head.seq ?? 0) + 1;
      const to = from + Buffer.from(stored.tail).toString().split('\n').length - 1;
      this.checkBytes(stored.tail, model.bytes({ from, to }), `${log}: tail after the snapshot`);
      await this.#checkFrom(log, to);
    }
  }

  /** Checks that every log contains exactly the lines of its model. */
  async checkAll(): Promise<void> {
    for (const log of this.models.keys()) await this.checkLog(log);
  }

  /** Checks that a call fails with a RuntimeError of this code. */
  async refuses(code: ErrorCode, what: string, call: () => Promise<unknown>): Promise<void> {
    let failure: unknown;
    try {
      await call();
    } catch (error) {
      failure = error;
    }
    // The runtime treats any other class as a bug of the store and answers INTERNAL.
    this.t.true(failure instanceof RuntimeError, `${what}: expected a RuntimeError, got ${String(failure)}`);
    this.t.is((failure as RuntimeError).code, code, what);
  }

  #checkHead({ seq, bytes }: { seq: number; bytes: number }, model: LogModel, log: string): void {
    this.t.deepEqual({ seq, bytes }, model.head, `${log}: head`);
  }

  async #checkFrom(log: string, start: number): Promise<void> {
    const model = this.model(log);
    for (let seq = start; seq <= model.head.seq; ) {
      const slice = await this.store.read(log, model.position(seq), PAGE);
      this.checkSlice(log, slice, model.expectedRange(seq, PAGE), `${log} from ${seq}`);
      seq += slice.count;
    }
  }
}
