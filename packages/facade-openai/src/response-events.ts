import type { Observation, RunInfo, WorkerEvent } from '@worker-runtime/core';
import { Conversation, type TextPiece } from '@worker-runtime/core/views';
import { type OutputItem, partItem, textPart } from './output-item.ts';
import type { ResponsePart } from './response-id.ts';
import { responseOf } from './response-object.ts';
import { RunPart } from './run-part.ts';

/** An event of the stream of a response. */
export interface StreamEvent {
  readonly type: string;
  readonly sequence_number: number;
  readonly [name: string]: unknown;
}

type NewStreamEvent = { readonly type: string; readonly [name: string]: unknown };

interface OpenText {
  readonly index: number;
  readonly id: string;
  readonly type: 'text' | 'reasoning';
  length: number;
  /** True if the text that was streamed is void. The end of the part has the text that counts. */
  isVoid: boolean;
}

/** The numbers between two events of the log that change the output. Text is below, events are above `EVENTS`. */
const STEP = 2 ** 24;
const EVENTS = STEP - 4_096;

/**
 * Translates the observations of a run to the events of one response. The numbers of the events follow from the log and from positions
 * in text, so that a client continues after a number in another stream, also after a restart, and gets each character once. An
 * engine that records a call while its text is in flight makes a text longer than its numbers; the end of each text corrects it.
 */
export class ResponseEvents {
  readonly #place: ResponsePart;
  readonly #run: RunInfo;
  readonly #part: RunPart;
  readonly #conversation = new Conversation({ keptItems: 0 });
  readonly #texts = new Map<string, OpenText>();
  /** The places of the calls that are in progress, by the ids of their items. */
  readonly #calls = new Map<string, number>();
  #items = 0;
  /** The number of events of the log so far that changed the output. */
  #steps = 0;
  /** The number of the next event before the next event of the log, within its step. */
  #inStep = 0;
  #last = -1;

  constructor(place: ResponsePart, run: RunInfo) {
    this.#place = place;
    this.#run = run;
    this.#part = new RunPart(place.runId, place.from);
  }

  get isFinished(): boolean {
    return this.#part.end !== null;
  }

  get part(): RunPart {
    return this.#part;
  }

  /** Returns the first events. */
  begin(): readonly StreamEvent[] {
    const response = responseOf(this.#place, { ...this.#run, status: 'running' }, this.#part);
    return [
      this.#numbered({ type: 'response.created', response }, 0),
      this.#numbered({ type: 'response.in_progress', response }, 1),
    ];
  }

  /** Returns the events of the next observation. @throws OUTPUT_TOO_LARGE */
  apply(item: Observation): readonly StreamEvent[] {
    const pieces = this.#conversation.apply(item).filter(({ run }) => run === this.#place.runId);
    if (item.type !== 'event') return pieces.flatMap((piece) => this.#text(piece));
    const { event } = item;
    if (!this.#part.has(event)) {
      this.#part.add(event);
      return [];
    }
    return [...pieces.flatMap((piece) => this.#text(piece)), ...this.#event(event)];
  }

  /** Returns the last event of a stream that has to end before its response. */
  fail(error: {
    readonly code: string;
    readonly message: string;
    readonly param: string | null;
  }): StreamEvent {
    return this.#numbered({ type: 'error', ...error }, this.#last + 1);
  }

  #numbered(event: NewStreamEvent, number: number): StreamEvent {
    // a text that grows after a later one began would go back
    this.#last = Math.max(this.#last, number);
    return { ...event, sequence_number: this.#last };
  }

  #base(): number {
    return 2 + this.#steps * STEP;
  }

  /** Numbers events of text. The next number is `count` later. */
  #written(event: NewStreamEvent, count: number): StreamEvent {
    this.#inStep = Math.min(this.#inStep + count, EVENTS - 1);
    return this.#numbered(event, this.#base() + this.#inStep - 1);
  }

  #text({ part, partType, text, isReplacement }: TextPiece): readonly StreamEvent[] {
    const { open, events } = this.#opened(part, partType);
    if (isReplacement) open.isVoid = true;
    if (open.isVoid || text === '') return events;
    open.length += text.length;
    const delta = {
      type: partType === 'text' ? 'response.output_text.delta' : 'response.reasoning_text.delta',
      item_id: open.id,
      output_index: open.index,
      content_index: 0,
      delta: text,
      ...(partType === 'text' && { logprobs: [] }),
    };
    return [...events, this.#written(delta, text.length)];
  }

  #opened(
    part: string,
    type: 'text' | 'reasoning',
  ): { readonly open: OpenText; readonly events: readonly StreamEvent[] } {
    const known = this.#texts.get(part);
    if (known) return { open: known, events: [] };
    const item = partItem(part, type, null, 'in_progress');
    const open = { index: this.#items, id: item.id, type, length: 0, isVoid: false };
    this.#items += 1;
    this.#texts.set(part, open);
    const content = type === 'text' ? textPart('') : { type: 'reasoning_text', text: '' };
    const events = [
      this.#written({ type: 'response.output_item.added', output_index: open.index, item }, 1),
      this.#written(
        {
          type: 'response.content_part.added',
          item_id: open.id,
          output_index: open.index,
          content_index: 0,
          part: content,
        },
        1,
      ),
    ];
    return { open, events };
  }

  #event(event: WorkerEvent): readonly StreamEvent[] {
    const items = this.#part.add(event);
    const begun: StreamEvent[] = [];
    if (event.type === 'message.completed')
      for (const part of event.data.parts)
        if (part.type !== 'file') begun.push(...this.#opened(part.id, part.type).events);
    const events =
      event.type === 'message.completed'
        ? event.data.parts.flatMap((part) =>
            part.type === 'file' ? [] : this.#endedText(part.id, part.text, event.data.partial ?? false),
          )
        : items.flatMap((item) => this.#changed(item));
    // what the interrupted execution wrote is written again, and may differ
    const isContinued = event.type === 'run.continued';
    if (isContinued || this.isFinished) events.push(...this.#abandoned());
    if (this.isFinished) events.push(this.#final());
    // a replay has no text in flight that could end here, and has to count in the same way
    if (events.length === 0 && !isContinued) return begun;
    const base = this.#base() + EVENTS;
    this.#steps += 1;
    this.#inStep = 0;
    return [...begun, ...events.map((one, at) => this.#numbered(one, base + at))];
  }

  #endedText(part: string, text: string, isPartial: boolean): readonly NewStreamEvent[] {
    const open = this.#texts.get(part);
    if (!open) return [];
    this.#texts.delete(part);
    const { index, id, type } = open;
    const at = { item_id: id, output_index: index, content_index: 0 };
    const done = type === 'text' ? 'response.output_text.done' : 'response.reasoning_text.done';
    return [
      { type: done, ...at, text, ...(type === 'text' && { logprobs: [] }) },
      {
        type: 'response.content_part.done',
        ...at,
        part: type === 'text' ? textPart(text) : { type: 'reasoning_text', text },
      },
      {
        type: 'response.output_item.done',
        output_index: index,
        item: partItem(part, type, text, isPartial ? 'incomplete' : 'completed'),
      },
    ];
  }

  /** Returns the events of an item that was added or completed, and is no text. */
  #changed(item: OutputItem): NewStreamEvent[] {
    const known = this.#calls.get(item.id);
    const index = known ?? this.#items;
    const events: NewStreamEvent[] = [];
    const at = { item_id: item.id, output_index: index };
    if (known === undefined) {
      this.#items += 1;
      const begun =
        item.type === 'mcp_call' ? { ...item, status: 'in_progress', output: null, error: null } : item;
      events.push({ type: 'response.output_item.added', output_index: index, item: begun });
      if (item.type === 'mcp_call')
        events.push(
          { type: 'response.mcp_call.in_progress', ...at },
          { type: 'response.mcp_call_arguments.done', ...at, arguments: item.arguments },
        );
    }
    if (item.type === 'mcp_call') {
      if (item.status === 'in_progress') {
        this.#calls.set(item.id, index);
        return events;
      }
      this.#calls.delete(item.id);
      events.push({ type: `response.mcp_call.${item.status}`, ...at });
    }
    events.push({ type: 'response.output_item.done', output_index: index, item });
    return events;
  }

  /** Returns the ends of the items that get no other end. */
  #abandoned(): readonly NewStreamEvent[] {
    const events: NewStreamEvent[] = [];
    for (const [part, { index, type }] of this.#texts)
      events.push({
        type: 'response.output_item.done',
        output_index: index,
        item: partItem(part, type, '', 'incomplete'),
      });
    this.#texts.clear();
    if (!this.isFinished) return events;
    for (const item of this.#part.items) {
      const index = this.#calls.get(item.id);
      if (index !== undefined) events.push({ type: 'response.output_item.done', output_index: index, item });
    }
    return events;
  }

  #final(): NewStreamEvent {
    const response = responseOf(this.#place, this.#run, this.#part);
    const { status } = response;
    // the API has no event for a response that was cancelled
    const type = status === 'cancelled' ? 'incomplete' : status;
    return { type: `response.${type}`, response };
  }
}

/** Returns the rest of an event for a client that has everything up to a number; null if it has the whole event. */
export const restOf = (event: StreamEvent, after: number): StreamEvent | null => {
  const { sequence_number: number, delta } = event;
  if (number <= after) return null;
  if (typeof delta !== 'string') return event;
  const had = after - (number - delta.length);
  return had > 0 ? { ...event, delta: delta.slice(had) } : event;
};
