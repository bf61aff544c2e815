import {
  type Attributes,
  type Context,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import type { EventData, EventType, WorkerEvent, WorkerFacts } from '@worker-runtime/core';
import { messageContent } from './message-content.ts';
import { TokenSum } from './token-sum.ts';
import { parentContext } from './trace-parent.ts';

/** The types of events that spans are made of. */
export const SPAN_EVENTS: readonly EventType[] = [
  'run.started',
  'run.continued',
  'run.finished',
  'step.started',
  'step.finished',
  'tool.called',
  'tool.finished',
  'request.opened',
  'request.resolved',
  'usage.recorded',
];

type Of<T extends EventType> = Extract<WorkerEvent, { readonly type: T }>;

interface OpenStep {
  readonly step: number;
  readonly span: Span;
  readonly tokens: TokenSum;
}

interface OpenQuestion {
  readonly span: Span;
  readonly options: EventData['request.opened']['options'];
}

export interface RunSpansOptions {
  readonly tracer: Tracer;
  readonly worker: WorkerFacts;
  readonly started: Of<'run.started'>;
  /** The input of the run; null if it has none. */
  readonly input: EventData['input.accepted'] | null;
  readonly content: boolean;
}

/**
 * The spans of one run, made from its events in the order of the log: the run itself, and below it its steps, tool calls and
 * requests. Their times are those of the events.
 */
export class RunSpans {
  readonly #tracer: Tracer;
  readonly #content: boolean;
  readonly #run: Span;
  readonly #inRun: Context;
  readonly #tokens = new TokenSum();
  readonly #calls = new Map<string, Span>();
  readonly #questions = new Map<string, OpenQuestion>();
  #step: OpenStep | null = null;
  #time: Date;

  constructor({ tracer, worker, started, input, content }: RunSpansOptions) {
    this.#tracer = tracer;
    this.#content = content;
    this.#time = new Date(started.time);
    const parent = parentContext(input?.traceparent);
    this.#run = this.#begin(`invoke_agent ${worker.engine}`, SpanKind.INTERNAL, parent, {
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.id': worker.workerId,
      'gen_ai.agent.name': worker.engine,
      'gen_ai.conversation.id': worker.workerId,
      'worker_runtime.run.id': started.run,
      'worker_runtime.run.origin': started.data.origin,
      ...(worker.parent !== null && { 'worker_runtime.worker.parent': worker.parent }),
      ...(content && input && { 'gen_ai.input.messages': messageContent(input.role, input.parts) }),
    });
    this.#inRun = trace.setSpan(parent, this.#run);
  }

  /** Adds the next event of the run. */
  add(event: WorkerEvent): void {
    this.#time = new Date(event.time);
    switch (event.type) {
      case 'run.continued':
        this.#run.addEvent('run.continued', { 'worker_runtime.run.attempt': event.data.attempt }, this.#time);
        break;
      case 'run.finished':
        this.#finish(event.data);
        break;
      case 'step.started':
        this.#startStep(event.data);
        break;
      case 'step.finished':
        if (this.#step?.step === event.data.step) this.#endStep(event.data.finish);
        break;
      case 'tool.called':
        this.#startCall(event.data);
        break;
      case 'tool.finished':
        this.#endCall(event.data);
        break;
      case 'request.opened':
        this.#startQuestion(event.data);
        break;
      case 'request.resolved':
        this.#endQuestion(event.data);
        break;
      case 'usage.recorded':
        this.#tokens.add(event.data);
        if (event.data.step === this.#step?.step) this.#step?.tokens.add(event.data);
        break;
      case 'message.completed':
        if (this.#content) this.#addMessage(event.data);
        break;
      default:
    }
  }

  /** Ends the spans that are open, at the time of the last event. Without an end of the run, its log was not readable. */
  close(): void {
    for (const { span } of this.#questions.values()) span.end(this.#time);
    for (const span of this.#calls.values()) {
      fail(span, 'interrupted');
      span.end(this.#time);
    }
    if (this.#step) this.#endStep('interrupted');
    this.#questions.clear();
    this.#calls.clear();
    this.#run.setAttributes(this.#tokens.attributes());
    this.#run.end(this.#time);
  }

  #begin(name: string, kind: SpanKind, parent: Context, attributes: Attributes): Span {
    return this.#tracer.startSpan(name, { kind, attributes, startTime: this.#time }, parent);
  }

  #finish({ outcome, error }: EventData['run.finished']): void {
    this.#run.setAttribute('worker_runtime.run.outcome', outcome);
    if (outcome === 'failed' || outcome === 'interrupted') fail(this.#run, error?.code ?? outcome);
  }

  #startStep({ step, model }: EventData['step.started']): void {
    // a log of an earlier version may have a step without an end
    if (this.#step) this.#endStep('interrupted');
    const span = this.#begin(`chat${model === undefined ? '' : ` ${model}`}`, SpanKind.CLIENT, this.#inRun, {
      'gen_ai.operation.name': 'chat',
      ...(model !== undefined && { 'gen_ai.request.model': model }),
      'worker_runtime.step': step,
    });
    this.#step = { step, span, tokens: new TokenSum() };
  }

  #endStep(finish: string): void {
    if (!this.#step) return;
    const { span, tokens } = this.#step;
    span.setAttributes({ 'gen_ai.response.finish_reasons': [finish], ...tokens.attributes() });
    if (finish === 'error' || finish === 'failed' || finish === 'interrupted') fail(span, finish);
    span.end(this.#time);
    this.#step = null;
  }

  #startCall({ call, name, kind, input }: EventData['tool.called']): void {
    const span = this.#begin(`execute_tool ${name}`, SpanKind.INTERNAL, this.#inRun, {
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': name,
      'gen_ai.tool.call.id': call,
      ...(kind !== undefined && { 'worker_runtime.tool.kind': kind }),
      ...(this.#content && { 'gen_ai.tool.call.arguments': JSON.stringify(input) }),
    });
    this.#calls.set(call, span);
  }

  #endCall({ call, output, error, denied }: EventData['tool.finished']): void {
    const span = this.#calls.get(call);
    if (!span) return;
    if (denied) fail(span, 'denied');
    else if (error !== undefined) fail(span, 'tool_error');
    if (this.#content) {
      const result = error ?? output;
      if (result !== undefined) span.setAttribute('gen_ai.tool.call.result', JSON.stringify(result));
    }
    span.end(this.#time);
    this.#calls.delete(call);
  }

  #startQuestion({ request, kind, call, options }: EventData['request.opened']): void {
    const about = call === undefined ? undefined : this.#calls.get(call);
    const parent = about ? trace.setSpan(this.#inRun, about) : this.#inRun;
    const span = this.#begin(kind, SpanKind.INTERNAL, parent, { 'worker_runtime.request.id': request });
    this.#questions.set(request, { span, options });
  }

  /** The decision is the kind of the option: its id may be a text of a model. */
  #endQuestion({ request, decision, by }: EventData['request.resolved']): void {
    const question = this.#questions.get(request);
    if (!question) return;
    const option = question.options.find((one) => typeof one === 'object' && one.id === decision);
    question.span.setAttribute('worker_runtime.request.by', by);
    if (typeof option === 'object' && option.kind !== undefined)
      question.span.setAttribute('worker_runtime.request.decision', option.kind);
    question.span.end(this.#time);
    this.#questions.delete(request);
  }

  /** A span has its last message, so that its size is bounded by that of an event. */
  #addMessage({ role, parts, step }: EventData['message.completed']): void {
    const message = messageContent(role, parts);
    this.#run.setAttribute('gen_ai.output.messages', message);
    if (this.#step && step === this.#step.step)
      this.#step.span.setAttribute('gen_ai.output.messages', message);
  }
}

const fail = (span: Span, type: string): void => {
  span.setAttribute('error.type', type);
  span.setStatus({ code: SpanStatusCode.ERROR });
};
