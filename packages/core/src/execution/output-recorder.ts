import type { EngineOutput, Message, WithdrawnRun } from '../contracts/engine.ts';
import type { MessagePart, NewEvent } from '../contracts/event.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import type { RunEnd } from '../domain/decide.ts';
import type { WorkerState } from '../domain/state.ts';
import type { Commit } from '../journal/turn.ts';
import { InFlight } from '../workers/in-flight.ts';
import type { Worker } from '../workers/worker.ts';
import type { Supervision } from './supervision.ts';

type Outputs = readonly EngineOutput[];

const isDelta = ({ type }: EngineOutput): boolean => type === 'text' || type === 'reasoning';

/**
 * Makes of one run's outputs what is kept of them: durable ones become events, deltas the text in flight. One output,
 * or one array, at a time. Invariant: whether an output still counts is decided in the Worker's turn, so nothing of a
 * run that is over reaches the log (P2, `late output`).
 */
export class OutputRecorder {
  readonly #worker: Worker;
  readonly #runId: string;
  readonly #supervision: Supervision;
  readonly #inFlight: InFlight;
  #group: Outputs = [];
  #steps = 0;
  #overflow: unknown = null;
  #isClosed = false;
  #isLeftoverTooLarge = false;
  #withdrawn: WithdrawnRun | null = null;

  constructor(worker: Worker, runId: string, supervision: Supervision) {
    this.#worker = worker;
    this.#runId = runId;
    this.#supervision = supervision;
    this.#inFlight = new InFlight(runId, supervision.limits.inFlightBytes);
    worker.ensureLive(supervision.limits).inFlight = this.#inFlight;
  }

  /**
   * On return durable outputs are committed, an array in one commit where no delta comes between.
   * @throws as `Journal.commit` · OUTPUT_TOO_LARGE · TypeError an output of unknown type
   */
  record(output: EngineOutput | Outputs): Promise<unknown> {
    return Array.isArray(output)
      ? this.#recordAll(output as Outputs)
      : this.#recordGroup([output as EngineOutput]);
  }

  /** The output with which the engine reported that its run was withdrawn, or null. */
  get withdrawn(): WithdrawnRun | null {
    return this.#withdrawn;
  }

  /** Nothing more is recorded. */
  close(): void {
    this.#isClosed = true;
  }

  /** The run is over: its text in flight is superseded by what was committed. */
  end(): void {
    this.#isClosed = true;
    const { live } = this.#worker;
    if (live?.inFlight === this.#inFlight) live.inFlight = null;
  }

  /** Text that no message has closed, as an event; for whoever ends the run. */
  leftover(state: WorkerState, end: RunEnd): readonly NewEvent[] {
    if (this.#inFlight.isEmpty || this.#isLeftoverTooLarge || state.run?.runId !== this.#runId) return [];
    const event = this.#message({ type: 'message' });
    if (event?.type !== 'message.completed') return [];
    return [end.outcome === 'completed' ? event : { ...event, data: { ...event.data, partial: true } }];
  }

  /** The text left over is larger than an event may be. */
  dropLeftover(): void {
    this.#isLeftoverTooLarge = true;
  }

  async #recordAll(outputs: Outputs): Promise<void> {
    for (let at = 0; at < outputs.length; ) {
      const isStreamed = isDelta(outputs[at] as EngineOutput);
      let to = at + 1;
      while (to < outputs.length && isDelta(outputs[to] as EngineOutput) === isStreamed) to += 1;
      await this.#recordGroup(outputs.slice(at, to));
      at = to;
    }
  }

  #recordGroup(group: Outputs): Promise<unknown> {
    this.#group = group;
    const [first] = group;
    if (first && isDelta(first)) return this.#stream();
    return this.#supervision.commit(this.#worker, this.#decide, this.#options);
  }

  /** Also deltas take their turn, so that none overtakes `run.started` or outlives `run.finished`. */
  async #stream(): Promise<void> {
    await this.#supervision.commit(this.#worker, NOTHING, this.#streaming);
    if (this.#overflow !== null) throw this.#overflow;
  }

  // the hot path: made once a run, not once an output
  readonly #decide = (state: WorkerState): readonly NewEvent[] => {
    if (this.#isClosed || state.run?.runId !== this.#runId) return [];
    const events: NewEvent[] = [];
    let open: Set<string> | null = null;
    for (const output of this.#group) {
      const event = this.#event(output);
      if (event) events.push(event);
      if (event?.type === 'tool.called')
        open = this.#opened(open ?? new Set(state.run.calls), event.data.call);
      else if (event?.type === 'tool.finished') {
        open ??= new Set(state.run.calls);
        open.delete(event.data.call);
      }
    }
    return events;
  };

  #opened(open: Set<string>, call: string): Set<string> {
    if (open.has(call)) {
      throw new RuntimeError(
        'ENGINE_FAILED',
        `The engine repeated the open tool call "${call.slice(0, 100)}"`,
        {
          details: { call },
        },
      );
    }
    open.add(call);
    const { openCalls: limit } = this.#supervision.limits;
    if (open.size > limit)
      throw new RuntimeError('LIMIT_REACHED', 'The run has too many tool calls without a result', {
        details: { limit: 'openCalls', value: limit },
      });
    return open;
  }

  readonly #options = {
    applied: ({ events }: Commit): void => {
      if (events.some((event) => event.type === 'message.completed')) this.#inFlight.clear();
    },
  };

  readonly #streaming = {
    applied: (): void => {
      if (this.#isClosed || this.#worker.state.run?.runId !== this.#runId) return;
      try {
        for (const delta of this.#group)
          if (delta.type === 'text' || delta.type === 'reasoning')
            this.#inFlight.append(delta.type, delta.text);
      } catch (error) {
        this.#overflow = error;
      }
    },
  };

  #event(output: EngineOutput): NewEvent | null {
    const run = this.#runId;
    switch (output.type) {
      case 'message':
        return this.#message(output);
      case 'tool-call': {
        const { call, name, input } = output;
        return { type: 'tool.called', run, data: { call, name, input } };
      }
      case 'tool-result': {
        const { type: _, ...data } = output;
        return { type: 'tool.finished', run, data };
      }
      case 'step-start': {
        this.#steps += 1;
        const { model } = output;
        return {
          type: 'step.started',
          run,
          data: { step: this.#steps, ...(model !== undefined && { model }) },
        };
      }
      case 'step-finish':
        return { type: 'step.finished', run, data: { step: this.#steps, finish: output.finish } };
      case 'usage': {
        const { type: _, ...data } = output;
        return { type: 'usage.recorded', run, data };
      }
      case 'notice': {
        const { severity, code, message } = output;
        return { type: 'diagnostic.recorded', run, data: { severity, code, message } };
      }
      case 'record': {
        const { recordedBytes: limit } = this.#supervision.limits;
        if (Buffer.byteLength(JSON.stringify(output.value)) > limit)
          throw new RuntimeError('OUTPUT_TOO_LARGE', 'What an execution records is small', {
            details: { limit: 'recordedBytes', value: limit },
          });
        return { type: 'execution.recorded', run, data: { value: output.value } };
      }
      case 'withdrawn':
        this.#withdrawn = output;
        return null;
      default: {
        const { type } = output as { readonly type?: unknown };
        throw new TypeError(`An engine yielded an output of unknown type ${JSON.stringify(type)}`);
      }
    }
  }

  #message({ parts }: Message): NewEvent | null {
    const content: readonly MessagePart[] =
      parts?.map((part, index) => ({ id: this.#inFlight.partId(index, part.type), ...part })) ??
      this.#inFlight.written();
    if (content.length === 0) return null;
    const data = { message: this.#inFlight.messageId(), role: 'assistant', parts: content } as const;
    return { type: 'message.completed', run: this.#runId, data };
  }
}

const NOTHING = (): readonly NewEvent[] => [];
