import type { EventData, WorkerEvent } from '../contracts/event.ts';
import type { Limits } from '../contracts/limits.ts';
import { addUsage, NO_USAGE, type UsageTotals } from '../contracts/overview.ts';
import type { RunResult } from '../contracts/run.ts';
import { type TranscriptItem, transcriptItem } from '../contracts/transcript.ts';

/** The events of one run, folded. */
export class RunReading {
  readonly runId: string;
  inputId: string | null = null;
  startedAt: string | null = null;
  finishedAt: string | null = null;
  end: EventData['run.finished'] | null = null;
  usage: UsageTotals = NO_USAGE;
  readonly #limits: Pick<Limits, 'pageItems' | 'pageBytes'>;
  readonly #messages: TranscriptItem[] = [];
  readonly #sizes: number[] = [];
  #bytes = 0;

  constructor(runId: string, limits: Pick<Limits, 'pageItems' | 'pageBytes'>) {
    this.runId = runId;
    this.#limits = limits;
  }

  /** Adds the next event. `bytes` is the length of its line. Events of other runs have no effect. */
  add(event: WorkerEvent, bytes: number): void {
    if (event.run !== this.runId) return;
    switch (event.type) {
      case 'input.accepted':
        this.inputId = event.data.input;
        return;
      case 'run.started':
        this.startedAt = event.time;
        this.inputId = event.data.input ?? null;
        return;
      case 'usage.recorded':
        this.usage = addUsage(this.usage, event.data);
        return;
      case 'run.finished':
        this.finishedAt = event.time;
        this.end = event.data;
        return;
      default: {
        const item = transcriptItem(event);
        if (item) this.#addMessage(item, bytes);
      }
    }
  }

  /** Adds a message or a tool call. If all of them exceed one page, the earliest are left out. */
  #addMessage(item: TranscriptItem, bytes: number): void {
    const { pageItems, pageBytes } = this.#limits;
    this.#messages.push(item);
    this.#sizes.push(bytes);
    this.#bytes += bytes;
    while (this.#messages.length > 1 && (this.#bytes > pageBytes || this.#messages.length > pageItems)) {
      this.#messages.shift();
      this.#bytes -= this.#sizes.shift() ?? 0;
    }
  }

  /** The result, or null before the end of the run. */
  get result(): RunResult | null {
    const { runId, end, usage } = this;
    if (!end) return null;
    return { runId, outcome: end.outcome, messages: this.#messages, usage, error: end.error ?? null };
  }
}
