import type { EngineOutput, Message, WithdrawnRun } from '../contracts/engine.ts';
import { encodeEvent, type NewEvent } from '../contracts/event.ts';
import type { FilePart } from '../contracts/file.ts';
import type { Limits } from '../contracts/limits.ts';
import { outputTooLarge, RuntimeError } from '../contracts/runtime-error.ts';
import { type RunEnd, resolveAbout } from '../domain/decide.ts';
import { stateAfter } from '../domain/fold.ts';
import type { CurrentRun, WorkerState } from '../domain/state.ts';
import { filePart, storedFile } from '../domain/stored-files.ts';
import type { CommitOptions } from '../journal/journal.ts';
import type { Patience } from '../journal/patience.ts';
import type { Commit, Decision } from '../journal/turn.ts';
import { InFlight } from '../workers/in-flight.ts';
import type { InFlightTotal } from '../workers/in-flight-total.ts';
import type { Worker } from '../workers/worker.ts';
import { checkedOutput } from './engine-output.ts';

type Outputs = readonly EngineOutput[];

/** More than the line of a call's result needs beside the id of the call, if the run ends before the call does. */
const RESULT_LINE_BYTES = 512;

const isMessage = ({ type }: NewEvent): boolean => type === 'message.completed';
const isDelta = ({ type }: EngineOutput): boolean => type === 'text' || type === 'reasoning';

/** The part of an execution that a recorder uses. */
export interface RecorderHost {
  readonly worker: Worker;
  readonly services: { readonly limits: Limits; readonly inFlight: InFlightTotal };
  /** @throws as `Journal.commit` */
  commit(decide: Decision['decide'], options?: CommitOptions): Promise<Commit>;
}

/**
 * Records the outputs of one run, one output or one array at a time: durable outputs become events, deltas become text
 * in flight. Invariant: the Worker's turn decides whether an output still counts, so no output of a finished run
 * reaches the log (P2, `late output`).
 */
export class OutputRecorder {
  readonly #host: RecorderHost;
  readonly #runId: string;
  readonly #inFlight: InFlight;
  readonly #options: CommitOptions;
  readonly #streaming: CommitOptions;
  #group: Outputs = [];
  #steps: number;
  /** The number of steps after the decision that is being made. A decision may be made again. */
  #nextSteps: number;
  #overflow: unknown = null;
  #isClosed = false;
  #withdrawn: WithdrawnRun | null = null;

  constructor({ runId, step = 0 }: CurrentRun, host: RecorderHost, patience: Patience) {
    this.#runId = runId;
    this.#steps = step;
    this.#nextSteps = step;
    this.#host = host;
    this.#options = { patience, applied: this.#recorded };
    this.#streaming = { patience, applied: this.#streamed };
    const { limits, inFlight } = host.services;
    this.#inFlight = new InFlight(runId, limits.inFlightBytes, inFlight);
    host.worker.ensureLive(limits).readers.inFlight = this.#inFlight;
  }

  /**
   * On return durable outputs are committed. Consecutive durable outputs of an array are committed together. An array
   * with an invalid output has no effect.
   * @throws as `Journal.commit` · OUTPUT_TOO_LARGE · EngineOutputError an output is invalid
   */
  record(output: EngineOutput | Outputs): Promise<unknown> {
    const outputs = this.#checked(output);
    return outputs.length === 1 ? this.#recordGroup(outputs) : this.#recordAll(outputs);
  }

  /**
   * Records the outputs that the engine returned. Durable ones at the end are committed together with the end of the run:
   * `end` decides it on the state after their events. Without them the run does not end here.
   * @throws as `record`
   */
  async recordLast(
    output: EngineOutput | Outputs,
    end: (after: WorkerState, events: readonly NewEvent[]) => readonly NewEvent[],
  ): Promise<void> {
    const outputs = this.#checked(output);
    const from = outputs.findLastIndex(isDelta) + 1;
    await this.#recordAll(outputs.slice(0, from));
    if (from === outputs.length) return;
    this.#group = outputs.slice(from);
    await this.#host.commit((state) => {
      if (!this.#runIn(state)) return [];
      const events = this.#decide(state);
      return [...events, ...end(stateAfter(state, events), events)];
    }, this.#options);
  }

  #checked(output: EngineOutput | Outputs): Outputs {
    const { eventBytes } = this.#host.services.limits;
    return Array.isArray(output)
      ? Array.from(output as Outputs, (one) => checkedOutput(one, eventBytes))
      : [checkedOutput(output, eventBytes)];
  }

  /** The output with which the engine reported that its run was withdrawn, or null. */
  get withdrawn(): WithdrawnRun | null {
    return this.#withdrawn;
  }

  /** Refuses further outputs. */
  close(): void {
    this.#isClosed = true;
  }

  /** Ends the recording after the end of the run was committed, and clears the text in flight. */
  end(): void {
    this.#isClosed = true;
    const readers = this.#host.worker.live?.readers;
    if (readers?.inFlight === this.#inFlight) readers.inFlight = null;
    this.#inFlight.clear();
  }

  /**
   * The text that no message has completed, as the event that the end of the run is committed with. Null if the text
   * exceeds the limit of an event; it is lost then, and the run can end. `events` are committed before it.
   */
  leftover(state: WorkerState, end: RunEnd, events: readonly NewEvent[] = []): readonly NewEvent[] | null {
    if (this.#inFlight.isEmpty || state.run?.runId !== this.#runId || events.some(isMessage)) return [];
    const message = this.#message({ type: 'message' });
    if (message?.type !== 'message.completed') return [];
    const event: NewEvent =
      end.outcome === 'completed' ? message : { ...message, data: { ...message.data, partial: true } };
    const line = encodeEvent(Number.MAX_SAFE_INTEGER, state.createdAt, state.workerId, event);
    return Buffer.byteLength(line) < this.#host.services.limits.eventBytes ? [event] : null;
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
    return this.#host.commit(this.#decide, this.#options);
  }

  /** Deltas also wait for the Worker's turn, so that none precedes `run.started` or follows `run.finished`. */
  async #stream(): Promise<void> {
    await this.#host.commit(NOTHING, this.#streaming);
    if (this.#overflow !== null) throw this.#overflow;
  }

  // hot path: created once per run instead of once per output
  readonly #decide = (state: WorkerState): readonly NewEvent[] => {
    this.#nextSteps = this.#steps;
    const run = this.#runIn(state);
    if (!run) return [];
    const events: NewEvent[] = [];
    let open: Set<string> | null = null;
    for (const output of this.#group) {
      const event = withFiles(state, this.#event(output));
      if (event) events.push(event);
      if (event?.type === 'tool.called') open = this.#opened(open ?? new Set(run.calls), event.data.call);
      else if (event?.type === 'tool.finished') {
        open ??= new Set(run.calls);
        if (open.delete(event.data.call)) events.push(...resolveAbout(state, event.data.call));
      }
    }
    return events;
  };

  /** The run, while its outputs count. */
  #runIn({ run }: WorkerState): CurrentRun | null {
    return !this.#isClosed && run?.runId === this.#runId ? run : null;
  }

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
    const { openCalls: limit, eventBytes } = this.#host.services.limits;
    // the end of the run must be able to record a result for the call
    if (call.length * 6 + RESULT_LINE_BYTES > eventBytes)
      throw outputTooLarge('eventBytes', eventBytes, 'The id of the tool call is too long');
    if (open.size > limit)
      throw new RuntimeError('LIMIT_REACHED', 'The run has too many tool calls without a result', {
        details: { limit: 'openCalls', value: limit },
      });
    return open;
  }

  readonly #recorded = ({ events }: Commit): void => {
    this.#steps = this.#nextSteps;
    if (events.some(isMessage)) this.#inFlight.clear();
  };

  readonly #streamed = (): void => {
    if (!this.#runIn(this.#host.worker.state)) return;
    try {
      for (const delta of this.#group)
        if (delta.type === 'text' || delta.type === 'reasoning')
          this.#inFlight.append(delta.type, delta.text);
    } catch (error) {
      this.#overflow = error;
    }
  };

  #event(output: EngineOutput): NewEvent | null {
    const run = this.#runId;
    switch (output.type) {
      case 'message':
        return this.#message(output);
      case 'tool-call': {
        const { type: _, ...call } = output;
        return { type: 'tool.called', run, data: { ...call, ...this.#inStep } };
      }
      case 'tool-result': {
        const { type: _, ...data } = output;
        return { type: 'tool.finished', run, data };
      }
      case 'step-start': {
        this.#nextSteps += 1;
        const { model } = output;
        return {
          type: 'step.started',
          run,
          data: { step: this.#nextSteps, ...(model !== undefined && { model }) },
        };
      }
      case 'step-finish':
        return { type: 'step.finished', run, data: { step: this.#nextSteps, finish: output.finish } };
      case 'usage': {
        const { type: _, ...data } = output;
        return { type: 'usage.recorded', run, data: { ...data, ...this.#inStep } };
      }
      case 'notice': {
        const { severity, code, message } = output;
        return { type: 'diagnostic.recorded', run, data: { severity, code, message } };
      }
      case 'record': {
        const { recordedBytes: limit } = this.#host.services.limits;
        if (Buffer.byteLength(JSON.stringify(output.value)) > limit)
          throw new RuntimeError(
            'OUTPUT_TOO_LARGE',
            `The recorded value exceeds limits.recordedBytes (${limit} bytes)`,
            {
              details: { limit: 'recordedBytes', value: limit },
            },
          );
        return { type: 'execution.recorded', run, data: { value: output.value } };
      }
      case 'history-start':
        return { type: 'history.started', run, data: {} };
      case 'withdrawn':
        this.#withdrawn = output;
        return null;
      default:
        return null;
    }
  }

  /** The number of the last step that was started, for events that belong to it. */
  get #inStep(): { readonly step?: number } {
    return this.#nextSteps === 0 ? {} : { step: this.#nextSteps };
  }

  #message({ parts }: Message): NewEvent | null {
    const content = parts ? this.#inFlight.completed(parts) : this.#inFlight.written();
    if (content.length === 0) return null;
    const data = { message: this.#inFlight.messageId(), role: 'assistant', parts: content } as const;
    const step = this.#nextSteps;
    return {
      type: 'message.completed',
      run: this.#runId,
      data: step === 0 ? data : { ...data, step },
    };
  }
}

/** Returns the complete reference to a file. @throws ENGINE_FAILED the file is not stored */
const completed = (files: WorkerState['files'], part: FilePart): FilePart => {
  if (storedFile(files, part.digest)) return filePart(files, part);
  const message = 'The engine referred to a file that it had not stored';
  throw new RuntimeError('ENGINE_FAILED', message, { details: { digest: part.digest } });
};

/** Returns an event of an engine with complete references to its files. @throws ENGINE_FAILED a file is not stored */
const withFiles = ({ files }: WorkerState, event: NewEvent | null): NewEvent | null => {
  if (event?.type === 'tool.finished' && event.data.files) {
    const { data } = event;
    return { ...event, data: { ...data, files: event.data.files.map((part) => completed(files, part)) } };
  }
  if (event?.type !== 'message.completed' || !event.data.parts.some(({ type }) => type === 'file'))
    return event;
  const parts = event.data.parts.map((part) =>
    part.type === 'file' && 'digest' in part ? { ...part, ...completed(files, part) } : part,
  );
  return { ...event, data: { ...event.data, parts } };
};

const NOTHING = (): readonly NewEvent[] => [];
