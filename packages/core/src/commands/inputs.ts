import type { Clock } from '../contracts/clock.ts';
import { decodeEvent, type RunError, type RunOutcome } from '../contracts/event.ts';
import type { Hooks } from '../contracts/hooks.ts';
import type { JsonValue } from '../contracts/json.ts';
import type { Limits } from '../contracts/limits.ts';
import { addUsage, NO_USAGE } from '../contracts/overview.ts';
import type { IdempotencyOptions, InputReceipt, RunResult, WorkerInput } from '../contracts/runtime-api.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { KeyEntry, RuntimeStore } from '../contracts/store.ts';
import { type TranscriptItem, transcriptItem } from '../contracts/transcript.ts';
import { acceptInput, assertRunnable } from '../domain/decide.ts';
import type { Supervisor } from '../execution/supervisor.ts';
import { mintId } from '../id.ts';
import type { Journal } from '../journal/journal.ts';
import { encodeCursor, type LogPosition } from '../log/cursor.ts';
import { linesOf, textOf } from '../log/lines.ts';
import type { LogReader } from '../log/log-reader.ts';
import { eventKey, hashOfKey, Keys } from '../workers/idempotency.ts';
import type { Worker } from '../workers/worker.ts';
import { settling } from './admission.ts';
import { checkInput, checkWait } from './requests.ts';

export interface InputsOptions {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly hooks: Hooks;
  readonly journal: Journal;
  readonly supervisor: Supervisor;
  readonly store: RuntimeStore;
  readonly reader: LogReader;
  readonly assertRunning: () => void;
  /** Whether the runtime has ended its runs: then none that still waits has an end to wait for. */
  readonly areRunsEnded: () => boolean;
}

export interface WaitOptions {
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
}

type Receipt = Omit<InputReceipt, 'run' | 'replayed'>;

/** Takes inputs: each is committed before the engine sees it, and acknowledged after that. */
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
      return { ...receipt, run: await this.#wait(worker, receipt, options), replayed: false };
    }
    const key = eventKey(options.idempotencyKey, request as unknown as JsonValue);
    const { receipt, replayed } = await this.#once(worker, request, input, key);
    return { ...receipt, run: await this.#wait(worker, receipt, options), replayed };
  }

  async #once(
    worker: Worker,
    request: WorkerInput,
    input: ReturnType<typeof checkInput>,
    key: ReturnType<typeof eventKey>,
  ): Promise<{ readonly receipt: Receipt; readonly replayed: boolean }> {
    const live = worker.ensureLive(this.#options.limits);
    // a key that is reserved must not be unloaded with what is idle
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
    const { hooks, journal, supervisor, limits, assertRunning } = this.#options;
    assertRunnable(worker.state);
    return settling(
      hooks.admit,
      { type: 'worker.input', workerId: worker.workerId, input: request },
      async () => {
        assertRunning();
        if (!worker.live?.execution) await supervisor.attach(worker);
        const accepted = {
          inputId: mintId('input'),
          runId: mintId('run'),
          role,
          parts,
          ...(metadata && { metadata }),
        };
        const entry = key && { hash: hashOfKey(key.value), digest: key.digest };
        const { before, events } = await journal.commit(
          worker,
          (state) => {
            assertRunning();
            assertRunnable(state);
            if (worker.live?.stopping)
              throw new RuntimeError('WORKER_STOPPED', 'The Worker is being stopped');
            if (!worker.live?.execution)
              throw new RuntimeError('ENGINE_UNAVAILABLE', 'The execution was lost just now');
            return acceptInput(state, accepted, whenBusy, key, limits);
          },
          {
            key: entry,
            // remembered in the step that commits, so that a retry right behind finds it
            applied: (commit) => {
              if (entry && commit.events.length > 0)
                keys?.add({ ...entry, seq: commit.before.seq + 1, offset: commit.before.end });
            },
          },
        );
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

  /** The receipt of an input that was accepted earlier, read from its event. */
  async #replay(worker: Worker, { seq, offset }: KeyEntry): Promise<Receipt> {
    const before = await this.#options.reader.positionBefore(worker, { seq, offset });
    return this.receiptAt(worker, before);
  }

  /** The receipt of the first input after a position. */
  async receiptAt(worker: Worker, from: LogPosition): Promise<Receipt> {
    const { reader } = this.#options;
    let before = from;
    for (;;) {
      const reading = await reader.after(worker, before, 1, 1);
      const [line] = [...linesOf(reading)];
      if (!line) throw new RuntimeError('STORE_CORRUPT', 'The event of an idempotency key is not there');
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

  /** The finished run, or null where it did not finish in time or waits for an answer itself. */
  async #wait(
    worker: Worker,
    { runId, cursor }: Receipt,
    { waitMs = 0, signal }: WaitOptions,
  ): Promise<RunResult | null> {
    if (waitMs <= 0) return null;
    const { clock, reader, limits, areRunsEnded } = this.#options;
    const isPending = (): boolean =>
      worker.state.run?.runId === runId || worker.state.queue.some((queued) => queued.runId === runId);
    const isAsking = (): boolean => worker.state.requests.some((request) => request.runId === runId);
    let isOver = signal?.aborted ?? false;
    let wake = (): void => {};
    const end = (): void => {
      isOver = true;
      wake();
    };
    const callOff = clock.after(waitMs, end);
    signal?.addEventListener('abort', end, { once: true });
    try {
      while (isPending() && !isAsking() && !isOver && !areRunsEnded()) {
        const { wakes } = worker.ensureLive(limits);
        await new Promise<void>((resolve) => {
          wake = resolve;
          wakes.add(resolve);
        });
        wakes.delete(wake);
      }
    } finally {
      callOff();
      signal?.removeEventListener('abort', end);
    }
    return isPending() ? null : this.#result(worker, runId, await reader.locate(worker, cursor));
  }

  async #result(worker: Worker, runId: string, from: LogPosition): Promise<RunResult | null> {
    const { reader, limits } = this.#options;
    const messages: TranscriptItem[] = [];
    const sizes: number[] = [];
    let bytes = 0;
    let usage = NO_USAGE;
    let at = from;
    while (at.seq < worker.state.head.seq) {
      const reading = await reader.after(worker, at, limits.pageItems, limits.pageBytes);
      if (reading.count === 0) break;
      for (const line of linesOf(reading)) {
        const event = decodeEvent(textOf(line));
        if (event.run !== runId) continue;
        if (event.type === 'usage.recorded') usage = addUsage(usage, event.data);
        if (event.type === 'run.finished') {
          const {
            outcome,
            error = null,
          }: { readonly outcome: RunOutcome; readonly error?: RunError | null } = event.data;
          return { runId, outcome, messages, usage, error };
        }
        const item = event.type === 'input.accepted' ? null : transcriptItem(event);
        if (!item) continue;
        messages.push(item);
        sizes.push(line.bytes.length);
        bytes += line.bytes.length;
        while (messages.length > 1 && (bytes > limits.pageBytes || messages.length > limits.pageItems)) {
          messages.shift();
          bytes -= sizes.shift() ?? 0;
        }
      }
      at = reading.at;
    }
    return null;
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
