import type { Clock } from '../contracts/clock.ts';
import { decodeEvent, type RunError, type RunOutcome } from '../contracts/event.ts';
import type { Limits } from '../contracts/limits.ts';
import { addUsage, NO_USAGE } from '../contracts/overview.ts';
import type { RunResult, RunWait, WaitEnd, WaitOptions } from '../contracts/runtime-api.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import { type TranscriptItem, transcriptItem } from '../contracts/transcript.ts';
import type { LogPosition } from '../log/cursor.ts';
import { type Line, linesOf, positionAfter, textOf } from '../log/lines.ts';
import type { LogReader } from '../log/log-reader.ts';
import type { Worker } from '../workers/worker.ts';

export interface RunWaitsOptions {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly reader: LogReader;
  /** True once the runtime has ended its runs: a run that is still pending then does not end in this process. */
  readonly areRunsEnded: () => boolean;
}

/** A day, which is longer than a caller keeps a call open. */
export const MAX_WAIT_MS = 86_400_000;

const SEARCH = { count: 1_000, bytes: 262_144 };

/** Waits for runs, and reads the results of finished runs from the log. */
export class RunWaits {
  readonly #options: RunWaitsOptions;

  constructor(options: RunWaitsOptions) {
    this.#options = options;
  }

  /**
   * Waits until a run has finished or asks for something, and reads its result. `from` is a position before the run's
   * start; without it, the log is searched backwards from its end, which costs the number of events since then.
   * @throws RUN_NOT_FOUND
   */
  async wait(
    worker: Worker,
    runId: string,
    { waitMs = MAX_WAIT_MS, signal }: WaitOptions,
    from?: LogPosition,
  ): Promise<RunWait> {
    const waited = await this.#untilEnded(worker, runId, waitMs, signal);
    if (waited !== 'finished') return { waited, run: null };
    const start = from ?? (await this.#find(worker, runId));
    const run = start && (await this.#result(worker, runId, start));
    if (!run) throw new RuntimeError('RUN_NOT_FOUND', undefined, { details: { runId } });
    return { waited, run };
  }

  async #untilEnded(
    worker: Worker,
    runId: string,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<WaitEnd> {
    const { clock, limits, areRunsEnded } = this.#options;
    const isPending = (): boolean =>
      worker.state.run?.runId === runId || worker.state.queue.some((queued) => queued.runId === runId);
    const isAsking = (): boolean => worker.state.requests.some((request) => request.runId === runId);
    let isOver = signal?.aborted === true || waitMs <= 0;
    let wake = (): void => {};
    const end = (): void => {
      isOver = true;
      wake();
    };
    const cancelTimer = clock.after(waitMs, end);
    signal?.addEventListener('abort', end, { once: true });
    try {
      while (isPending() && !isAsking() && !isOver && !areRunsEnded()) {
        const { readers } = worker.ensureLive(limits);
        await new Promise<void>((resolve) => {
          wake = resolve;
          readers.onChange(resolve);
        });
        readers.cancel(wake);
      }
    } finally {
      cancelTimer();
      signal?.removeEventListener('abort', end);
    }
    if (!isPending()) return 'finished';
    if (isAsking()) return 'asks';
    return areRunsEnded() ? 'stopping' : 'timeout';
  }

  /** Searches for the start of a run, backwards from the end of the log. Returns the position before it, or null. */
  async #find(worker: Worker, runId: string): Promise<LogPosition | null> {
    const { reader } = this.#options;
    const member = `"run":"${runId}"`;
    const isStart = (line: Line): boolean => {
      const text = textOf(line);
      if (!text.includes(member)) return false;
      const event = decodeEvent(text);
      return event.type === 'run.started' && event.run === runId;
    };
    let to = worker.state.head;
    while (to.seq > 0) {
      const reading = await reader.before(worker, to, SEARCH.count, SEARCH.bytes);
      if (reading.count === 0) return null;
      const lines = [...linesOf(reading)];
      const at = lines.findLastIndex(isStart);
      if (at > 0) return positionAfter(lines[at - 1] as Line);
      to = await reader.positionBefore(worker, lines[0] as Line);
      if (at === 0) return to;
    }
    return null;
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
}
