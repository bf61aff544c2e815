import type { Tracer } from '@opentelemetry/api';
import type { EventData, EventType, PluginHost, RuntimePlugin, WorkerFacts } from '@worker-runtime/core';
import { type OtelOptions, type Settings, settingsOf } from './otel-options.ts';
import { RunSpans, SPAN_EVENTS } from './run-spans.ts';

/** Finished runs that wait for their spans. Later ones get none. */
const MOST_WAITING = 10_000;

/** A finished run without spans. */
interface FinishedRun {
  readonly runId: string;
  readonly worker: WorkerFacts;
  /** The number of `run.started`; absent if another process wrote it. */
  readonly startedSeq: number | undefined;
}

/**
 * Makes the spans of each run from the log, when its end is committed. Each end is committed once, so no run gets spans twice, and
 * nothing has to be kept for that.
 */
class RunTraces {
  readonly #host: PluginHost;
  readonly #settings: Settings;
  readonly #types: readonly EventType[];
  /** The numbers of `run.started` of active runs. */
  readonly #started = new Map<string, number>();
  readonly #waiting: FinishedRun[] = [];
  #tracer: Tracer | null = null;
  #working: Promise<void> | null = null;
  /** True while spans fail to be made, so that the log has one line and not one for each run. */
  #isFailing = false;

  constructor(host: PluginHost, settings: Settings) {
    this.#host = host;
    this.#settings = settings;
    this.#types = settings.content ? [...SPAN_EVENTS, 'message.completed'] : SPAN_EVENTS;
  }

  tap(): void {
    const { hooks } = this.#host;
    hooks.committed.tap(({ worker, events }) => {
      for (const { type, run, seq } of events)
        if (run === undefined) continue;
        else if (type === 'run.started') this.#started.set(run, seq);
        else if (type === 'run.finished') this.#finished(run, worker);
    });
    // recovery has ended runs before the log can be read
    hooks.opened.tapPromise(async () => {
      const { tracerProvider } = this.#settings;
      this.#tracer = tracerProvider.getTracer('@worker-runtime/plugin-otel');
      this.#work();
    });
    hooks.drain.tapPromise(async ({ signal }) => {
      signal.addEventListener('abort', () => this.#waiting.splice(0), { once: true });
      await this.#working;
    });
  }

  #finished(runId: string, worker: WorkerFacts): void {
    const startedSeq = this.#started.get(runId);
    this.#started.delete(runId);
    if (this.#waiting.length >= MOST_WAITING) this.#failed(new Error(`More than ${MOST_WAITING} runs wait`));
    else this.#waiting.push({ runId, worker, startedSeq });
    this.#work();
  }

  /** Makes the spans of the runs that wait, one after the other. */
  #work(): void {
    if (this.#tracer === null || this.#waiting.length === 0) return;
    const tracer = this.#tracer;
    this.#working ??= (async () => {
      // not within the commit that ended the run
      await Promise.resolve();
      for (let run = this.#waiting.shift(); run; run = this.#waiting.shift()) {
        try {
          await this.#trace(run, tracer);
          this.#isFailing = false;
        } catch (error) {
          this.#failed(error);
        }
      }
      this.#working = null;
    })();
  }

  async #trace({ runId, worker, startedSeq }: FinishedRun, tracer: Tracer): Promise<void> {
    const { runtime } = this.#host;
    const { workerId } = worker;
    const { content } = this.#settings;
    let spans: RunSpans | null = null;
    let after: string | null =
      startedSeq === undefined ? (await runtime.getRun(workerId, runId)).cursor : `@${startedSeq - 1}`;
    try {
      while (after !== null) {
        const page = await runtime.events(workerId, { after, types: this.#types });
        for (const event of page.items) {
          if (event.run !== runId) continue;
          if (event.type === 'run.started') {
            const input = await this.#inputOf(workerId, event.data.input, event.seq);
            spans = new RunSpans({ tracer, worker, started: event, input, content });
          } else spans?.add(event);
          if (event.type === 'run.finished') return;
        }
        after = page.next;
      }
    } finally {
      spans?.close();
    }
  }

  /** Returns the input of a run. Between the two are the inputs that were queued with it, and the run before it. */
  async #inputOf(
    workerId: string,
    inputId: string | undefined,
    startedSeq: number,
  ): Promise<EventData['input.accepted'] | null> {
    if (inputId === undefined) return null;
    const { runtime } = this.#host;
    let between = runtime.limits.queuedInputs + 1;
    for (let before: string | null = `@${startedSeq - 1}`; before !== null && between > 0; ) {
      const page = await runtime.events(workerId, { before, types: ['input.accepted'], limit: 1 });
      for (const event of page.items) {
        if (event.type === 'input.accepted' && event.data.input === inputId) return event.data;
        between -= 1;
      }
      before = page.next;
    }
    return null;
  }

  #failed(error: unknown): void {
    const { log } = this.#host;
    if (this.#isFailing) log.debug({ err: error }, 'the spans of a run could not be made');
    else log.warn({ err: error }, 'the spans of a run could not be made; the runs are not affected');
    this.#isFailing = true;
  }
}

/**
 * Makes spans of OpenTelemetry from the stored events of runs, by the conventions for generative AI. A run is a trace, or a part of
 * the trace that its input names.
 * @throws INVALID_REQUEST an option is unknown or not valid
 */
export const otel = (options: OtelOptions = {}): RuntimePlugin => {
  const settings = settingsOf(options);
  return { name: 'otel', apply: (host) => new RunTraces(host, settings).tap() };
};
