import { admitted } from '../admission.ts';
import { decodeEvent, type NewEvent } from '../contracts/event.ts';
import type { Hooks } from '../contracts/hooks.ts';
import type { JsonValue } from '../contracts/json.ts';
import type { Limits } from '../contracts/limits.ts';
import type { IdempotencyOptions, InputReceipt, WaitOptions, WorkerInput } from '../contracts/runtime-api.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { KeyEntry, RuntimeStore } from '../contracts/store.ts';
import { acceptInput, assertRunnable } from '../domain/decide.ts';
import { sizeOfInput } from '../domain/size.ts';
import type { WorkerState } from '../domain/state.ts';
import type { Supervisor } from '../execution/supervisor.ts';
import { mintId } from '../id.ts';
import type { Journal } from '../journal/journal.ts';
import type { Commit } from '../journal/turn.ts';
import { encodeCursor, type LogPosition } from '../log/cursor.ts';
import { linesOf, textOf } from '../log/lines.ts';
import type { LogReader } from '../log/log-reader.ts';
import type { ByteSum } from '../workers/byte-sum.ts';
import { eventKey, hashOfKey, Keys } from '../workers/idempotency.ts';
import { factsOf } from '../workers/views.ts';
import type { Worker } from '../workers/worker.ts';
import { checkInput, checkWait } from './requests.ts';
import type { RunWaits } from './run-waits.ts';

export interface InputsOptions {
  readonly limits: Limits;
  /** The inputs of all Workers that are queued or whose run is active. */
  readonly openInputs: ByteSum;
  readonly hooks: Hooks;
  readonly journal: Journal;
  readonly supervisor: Supervisor;
  readonly store: RuntimeStore;
  readonly reader: LogReader;
  readonly waits: RunWaits;
  readonly assertRunning: () => void;
}

/** A receipt without what depends on the call that asks for it. */
type Receipt = Omit<InputReceipt, 'run' | 'waited' | 'replayed'>;

/** Accepts inputs. Each input is committed before the engine sees it and before the caller gets its receipt. */
export class Inputs {
  readonly #options: InputsOptions;

  constructor(options: InputsOptions) {
    this.#options = options;
  }

  async send(
    worker: Worker,
    request: WorkerInput,
    options: IdempotencyOptions & WaitOptions,
  ): Promise<InputReceipt> {
    const { limits } = this.#options;
    const input = checkInput(request, limits);
    checkWait(options.waitMs);
    if (options.idempotencyKey === undefined) {
      const receipt = await this.#accept(worker, request, input, null);
      return { ...receipt, ...(await this.#wait(worker, receipt, options)), replayed: false };
    }
    const key = eventKey(options.idempotencyKey, request as unknown as JsonValue);
    const { receipt, replayed } = await this.#once(worker, request, input, key);
    return { ...receipt, ...(await this.#wait(worker, receipt, options)), replayed };
  }

  async #once(
    worker: Worker,
    request: WorkerInput,
    input: ReturnType<typeof checkInput>,
    key: ReturnType<typeof eventKey>,
  ): Promise<{ readonly receipt: Receipt; readonly replayed: boolean }> {
    const live = worker.ensureLive(this.#options.limits);
    // the idle sweep must not unload reserved keys
    live.holds += 1;
    try {
      const keys = await this.#keys(worker);
      const known = keys.reserve(key);
      if (known) return { receipt: await this.#replay(worker, known), replayed: true };
      try {
        return { receipt: await this.#accept(worker, request, input, key, keys), replayed: false };
      } finally {
        keys.release(key);
      }
    } finally {
      live.holds -= 1;
    }
  }

  async #accept(
    worker: Worker,
    request: WorkerInput,
    { role, parts, metadata, whenBusy }: ReturnType<typeof checkInput>,
    key: ReturnType<typeof eventKey> | null,
    keys?: Keys,
  ): Promise<Receipt> {
    const { hooks, journal, supervisor, limits, openInputs, assertRunning } = this.#options;
    assertRunnable(worker.state);
    return admitted(
      hooks.admit,
      { type: 'worker.input', workerId: worker.workerId, worker: factsOf(worker), input: request },
      async () => {
        assertRunning();
        if (!supervisor.isAttached(worker)) await supervisor.attach(worker);
        const accepted = {
          inputId: mintId('input'),
          runId: mintId('run'),
          role,
          parts,
          ...(metadata && { metadata }),
        };
        const entry = key && { hash: hashOfKey(key.value), digest: key.digest };
        let release = (): void => {};
        const decide = (state: WorkerState): readonly NewEvent[] => {
          assertRunning();
          assertRunnable(state);
          if (supervisor.stopping(worker))
            throw new RuntimeError('WORKER_STOPPED', 'The Worker is being stopped');
          if (!supervisor.isAttached(worker))
            throw new RuntimeError('ENGINE_UNAVAILABLE', 'The execution was lost; try again');
          const events = acceptInput(state, accepted, whenBusy, key, limits);
          release = openInputs.reserve(sizeOfInput(accepted));
          return events;
        };
        const applied = (commit: Commit): void => {
          release();
          // added in the same step as the commit, so that an immediate retry finds it
          if (entry && commit.events.length > 0)
            keys?.add({ ...entry, seq: commit.before.seq + 1, offset: commit.before.end });
        };
        const { before, events } = await journal
          .commit(worker, decide, { key: entry, applied })
          .finally(() => release());
        const [event] = events;
        return {
          inputId: accepted.inputId,
          runId: accepted.runId,
          seq: before.seq + 1,
          cursor: encodeCursor(worker.state.log, before),
          queued: event?.type === 'input.accepted' && event.data.queued,
        };
      },
    );
  }

  /** Reads the receipt of an earlier input from its event. */
  async #replay(worker: Worker, { seq, offset }: KeyEntry): Promise<Receipt> {
    const before = await this.#options.reader.positionBefore(worker, { seq, offset });
    return this.receiptAt(worker, before);
  }

  /** Reads the receipt of the first input after a position. */
  async receiptAt(worker: Worker, from: LogPosition): Promise<Receipt> {
    const { reader } = this.#options;
    let before = from;
    for (;;) {
      const reading = await reader.after(worker, before, 1, 1);
      const [line] = [...linesOf(reading)];
      if (!line) throw new RuntimeError('STORE_CORRUPT', 'The log has no event for an idempotency key');
      const event = decodeEvent(textOf(line));
      if (event.type !== 'input.accepted') {
        before = reading.at;
        continue;
      }
      return {
        inputId: event.data.input,
        runId: event.run ?? '',
        seq: event.seq,
        cursor: encodeCursor(worker.state.log, before),
        queued: event.data.queued,
      };
    }
  }

  async #wait(
    worker: Worker,
    { runId, cursor }: Receipt,
    { waitMs = 0, signal }: WaitOptions,
  ): Promise<Pick<InputReceipt, 'run' | 'waited'>> {
    if (waitMs <= 0) return { run: null, waited: null };
    const { reader, waits } = this.#options;
    const from = await reader.locate(worker, cursor);
    return waits.wait(worker, runId, { waitMs, ...(signal && { signal }) }, from);
  }

  #keys(worker: Worker): Promise<Keys> {
    const { store, limits } = this.#options;
    const live = worker.ensureLive(limits);
    live.keys ??= store.keys(worker.state.log).then(
      (entries) => new Keys(limits.idempotencyKeys, entries),
      (error: unknown) => {
        live.keys = null;
        throw error;
      },
    );
    return live.keys;
  }
}
