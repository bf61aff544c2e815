import { admitted } from '../admission.ts';
import { decodeEvent, type NewEvent } from '../contracts/event.ts';
import type { Hooks } from '../contracts/hooks.ts';
import type { JsonValue } from '../contracts/json.ts';
import type { Limits } from '../contracts/limits.ts';
import type { InputReceipt, WaitOptions } from '../contracts/run.ts';
import type { SendOptions } from '../contracts/runtime-api.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { CallOptions } from '../contracts/served-runtime.ts';
import type { KeyEntry } from '../contracts/store.ts';
import type { WorkerInput } from '../contracts/worker.ts';
import type { Report } from '../diagnostics.ts';
import { acceptInput, assertRunnable } from '../domain/decide.ts';
import { sizeOfInput } from '../domain/size.ts';
import type { WorkerState } from '../domain/state.ts';
import { assertAccepted, partsWithFiles } from '../domain/stored-files.ts';
import type { Supervisor } from '../execution/supervisor.ts';
import { mintId } from '../id.ts';
import type { Journal } from '../journal/journal.ts';
import type { Commit } from '../journal/turn.ts';
import { encodeCursor, type LogPosition } from '../log/cursor.ts';
import { linesOf, textOf } from '../log/lines.ts';
import type { LogReader } from '../log/log-reader.ts';
import type { StoreReads } from '../store-reads.ts';
import type { ByteSum } from '../workers/byte-sum.ts';
import type { CacheTotal } from '../workers/cache-total.ts';
import { type CallKey, callKey } from '../workers/idempotency.ts';
import type { Live } from '../workers/live.ts';
import { LogKeys } from '../workers/log-keys.ts';
import { factsOf } from '../workers/views.ts';
import type { Worker } from '../workers/worker.ts';
import { type CheckedInput, checkCall, checkInput, checkOptions, checkTrace, checkWait } from './requests.ts';
import type { RunWaits } from './run-waits.ts';

export interface InputsOptions {
  readonly limits: Limits;
  /** The inputs of all Workers that are queued or whose run is active. */
  readonly openInputs: ByteSum;
  /** The idempotency keys of live Workers. */
  readonly keys: CacheTotal<Live>;
  readonly hooks: Hooks;
  readonly journal: Journal;
  readonly supervisor: Supervisor;
  readonly reads: Pick<StoreReads, 'keys'>;
  readonly reader: LogReader;
  readonly waits: RunWaits;
  readonly report: (report: Report) => void;
  readonly assertRunning: () => void;
}

/** An input after its checks. */
interface InputToAccept {
  readonly content: CheckedInput;
  readonly traceparent: string | undefined;
  readonly actor: string | undefined;
}

/** A receipt without what depends on the call that asks for it. */
export type Receipt = Omit<InputReceipt, 'run' | 'waited' | 'replayed'>;

/** An input that is in the log. */
interface Accepted {
  readonly receipt: Receipt;
  /** A position from which the outputs of its run follow. */
  readonly from: LogPosition;
}

/** Accepts inputs. Each input is committed before the engine sees it and before the caller gets its receipt. */
export class Inputs {
  readonly #options: InputsOptions;

  constructor(options: InputsOptions) {
    this.#options = options;
  }

  async send(
    worker: Worker,
    request: WorkerInput,
    options: SendOptions & CallOptions,
  ): Promise<InputReceipt> {
    const { limits } = this.#options;
    const { traceparent } = options;
    checkOptions('input', options);
    const content = checkInput(request, limits);
    const { actor } = checkCall(options);
    const input = { content, traceparent, actor };
    checkWait(options.waitMs);
    if (traceparent !== undefined) checkTrace(traceparent);
    if (options.idempotencyKey === undefined) {
      return this.#receipt(worker, await this.#accept(worker, request, input, null), false, options);
    }
    const key = callKey(options.idempotencyKey, request as unknown as JsonValue);
    const { accepted, replayed } = await this.#once(worker, request, input, key);
    return this.#receipt(worker, accepted, replayed, options);
  }

  async #receipt(
    worker: Worker,
    accepted: Accepted,
    replayed: boolean,
    options: WaitOptions,
  ): Promise<InputReceipt> {
    const { run, waited } = await this.#wait(worker, accepted, options);
    const { inputId, runId, seq, cursor, queued } = accepted.receipt;
    return { inputId, runId, seq, cursor, queued, run, waited, replayed };
  }

  async #once(
    worker: Worker,
    request: WorkerInput,
    input: InputToAccept,
    key: CallKey,
  ): Promise<{ readonly accepted: Accepted; readonly replayed: boolean }> {
    const live = worker.ensureLive(this.#options.limits);
    // the idle sweep must not unload reserved keys
    live.holds += 1;
    try {
      const keys = await this.#keysFor(worker, key);
      this.#options.keys.used(live, keys.weight);
      const known = keys.reserve(key);
      if (known) return { accepted: await this.#replay(worker, known), replayed: true };
      try {
        return { accepted: await this.#accept(worker, request, input, key, keys), replayed: false };
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
    { content, traceparent, actor }: InputToAccept,
    key: CallKey | null,
    keys?: LogKeys,
  ): Promise<Accepted> {
    const { hooks, journal, supervisor, limits, openInputs, assertRunning } = this.#options;
    assertRunnable(worker.state);
    return admitted(
      hooks.admit,
      { type: 'worker.input', workerId: worker.workerId, worker: factsOf(worker), input: request },
      async () => {
        assertRunning();
        // before an execution is attached for an input that it cannot take
        assertAccepted(partsWithFiles(worker.state.files, content.parts), ...supervisor.filesOf(worker));
        if (!supervisor.isAttached(worker) && !supervisor.isHolding) await supervisor.attach(worker);
        const inputId = mintId('input');
        const runId = mintId('run');
        const recorded = key?.recorded ?? null;
        let release = (): void => {};
        const decide = (state: WorkerState): readonly NewEvent[] => {
          assertRunning();
          assertRunnable(state);
          if (supervisor.stopping(worker))
            throw new RuntimeError('WORKER_STOPPED', 'The Worker is being stopped');
          if (!supervisor.isAttached(worker) && !supervisor.isHolding)
            throw new RuntimeError('ENGINE_UNAVAILABLE', 'The execution was lost; try again');
          const { role, whenBusy, metadata, messageId } = content;
          const parts = partsWithFiles(state.files, content.parts);
          const accepted = { inputId, runId, role, parts, metadata, messageId, traceparent, actor };
          assertAccepted(parts, ...supervisor.filesOf(worker));
          const events = acceptInput(state, accepted, whenBusy, recorded, limits, supervisor.isHolding);
          release = openInputs.reserve(sizeOfInput(accepted));
          return events;
        };
        const applied = (commit: Commit): void => {
          release();
          // added in the same step as the commit, so that an immediate retry finds it
          if (key && commit.events.length > 0) {
            const { hash, digest } = key;
            keys?.add({ hash, digest, seq: commit.before.seq + 1, offset: commit.before.end });
          }
        };
        let commit: Commit;
        try {
          commit = await journal.commit(worker, decide, { key, applied });
        } finally {
          release();
        }
        const { before, after, events } = commit;
        const [event] = events;
        const receipt = {
          inputId,
          runId,
          seq: before.seq + 1,
          cursor: encodeCursor(worker.state.log, before),
          queued: event?.type === 'input.accepted' && event.data.queued,
        };
        return { receipt, from: after };
      },
    );
  }

  /** Reads the receipt of an earlier input from its event. */
  async #replay(worker: Worker, { seq, offset }: KeyEntry): Promise<Accepted> {
    const before = await this.#options.reader.positionBefore(worker, { seq, offset });
    return this.#acceptedAt(worker, before);
  }

  /** Reads the receipt of the first input after a position. */
  async receiptAt(worker: Worker, from: LogPosition): Promise<Receipt> {
    return (await this.#acceptedAt(worker, from)).receipt;
  }

  async #acceptedAt(worker: Worker, from: LogPosition): Promise<Accepted> {
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
      const receipt = {
        inputId: event.data.input,
        runId: event.run ?? '',
        seq: event.seq,
        cursor: encodeCursor(worker.state.log, before),
        queued: event.data.queued,
      };
      return { receipt, from: before };
    }
  }

  /** Waits for the run of an input. Never rejects, because the input was committed and its receipt must not be lost. */
  async #wait(
    worker: Worker,
    { receipt: { runId }, from }: Accepted,
    { waitMs = 0, signal }: WaitOptions,
  ): Promise<Pick<InputReceipt, 'run' | 'waited'>> {
    if (waitMs <= 0) return { run: null, waited: null };
    const { waits, report } = this.#options;
    try {
      return await waits.wait(worker, runId, { waitMs, ...(signal && { signal }) }, from);
    } catch (cause) {
      // a Worker that was deleted in the meantime has no log
      if (worker.state.phase !== 'deleted')
        report({
          severity: 'warning',
          code: RuntimeError.from(cause).code,
          message: 'The result of a run could not be read for the caller that waited for it',
          worker: worker.workerId,
          details: { runId },
          cause,
        });
      return { run: null, waited: 'finished' };
    }
  }

  /** Returns the keys of a Worker, with the entry of this key if there is one. */
  async #keysFor(worker: Worker, key: CallKey): Promise<LogKeys> {
    const { reads, limits } = this.#options;
    const live = worker.ensureLive(limits);
    live.keys ??= reads.keys(worker.state.log).then(
      (entries) => {
        const loaded = new LogKeys(limits.idempotencyKeys, entries);
        live.keys = loaded;
        return loaded;
      },
      (error: unknown) => {
        live.keys = null;
        throw error;
      },
    );
    const keys = await live.keys;
    if (keys.mayHaveReleased(key)) keys.restore(await reads.keys(worker.state.log));
    return keys;
  }
}
