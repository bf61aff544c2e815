import type { EventData, WorkerEvent } from '@worker-runtime/core';
import { outputTooLarge } from '@worker-runtime/core/plugin-kit';
import { openRequestOf } from '@worker-runtime/core/views';
import { type CallItem, callItem, endedCall, type OutputItem, partItem, requestItem } from './output-item.ts';

/** The longest output of one response, in characters. The stream of a longer run ends with an error, and the log has all of it. */
const OUTPUT_CHARS = 16_777_216;

export interface TokenSums {
  readonly input: number;
  readonly cached: number;
  readonly output: number;
  readonly reasoning: number;
}

/** The end of a part: the run has ended, or a request for approval has been opened. */
export type PartEnd = { readonly type: 'asks' } | ({ readonly type: 'finished' } & EventData['run.finished']);

const sizeOf = (item: OutputItem): number =>
  'content' in item
    ? item.content.reduce((sum, { text }) => sum + text.length, 0)
    : item.arguments.length + ('output' in item ? (item.output?.length ?? 0) : 0);

/**
 * The part of a run that one response shows, folded from its events in log order. It has to see the run from its beginning, since later
 * events need what came before.
 */
export class RunPart {
  readonly #runId: string;
  readonly #from: number;
  readonly #items: OutputItem[] = [];
  /** The calls without a result, by id. */
  readonly #calls = new Map<string, CallItem>();
  /** The places of calls in the output. */
  readonly #places = new Map<string, number>();
  #tokens: TokenSums = { input: 0, cached: 0, output: 0, reasoning: 0 };
  #end: PartEnd | null = null;
  #chars = 0;

  constructor(runId: string, from: number) {
    this.#runId = runId;
    this.#from = from;
  }

  get end(): PartEnd | null {
    return this.#end;
  }

  get tokens(): TokenSums {
    return this.#tokens;
  }

  /** The output so far, in log order. A call without a result is incomplete once the part has ended. */
  get items(): readonly OutputItem[] {
    return this.#end === null
      ? this.#items
      : this.#items.map((item) =>
          item.type === 'mcp_call' && item.status === 'in_progress'
            ? { ...item, status: 'incomplete' }
            : item,
        );
  }

  /** True if an event belongs to the part, and not to one before it. */
  has({ seq, run }: WorkerEvent): boolean {
    return run === this.#runId && seq > this.#from && this.#end === null;
  }

  /** Adds the next event. Returns the items that it adds or completes. @throws OUTPUT_TOO_LARGE */
  add(event: WorkerEvent): readonly OutputItem[] {
    if (event.run !== this.#runId || this.#end !== null) return [];
    const isShown = this.has(event);
    switch (event.type) {
      case 'message.completed': {
        const { parts, partial } = event.data;
        const status = partial ? 'incomplete' : 'completed';
        const items = parts.flatMap((part) =>
          part.type === 'file' ? [] : [partItem(part.id, part.type, part.text, status)],
        );
        return isShown ? this.#push(items) : [];
      }
      case 'tool.called': {
        const item = callItem(event.data);
        this.#calls.set(event.data.call, item);
        if (!isShown) return [];
        this.#places.set(event.data.call, this.#items.length);
        return this.#push([item]);
      }
      case 'tool.finished':
        return this.#finished(event.data, isShown);
      case 'request.opened': {
        const request = openRequestOf(event);
        const call = request.call === null ? null : (this.#calls.get(request.call) ?? null);
        if (call !== null && request.call !== null)
          this.#calls.set(request.call, { ...call, approval_request_id: request.requestId });
        if (!isShown) return [];
        this.#end = { type: 'asks' };
        return this.#push([requestItem(request, call)]);
      }
      case 'usage.recorded': {
        const { inputTokens, outputTokens, cacheReadTokens = 0, reasoningTokens = 0 } = event.data;
        const { input, cached, output, reasoning } = this.#tokens;
        if (isShown)
          this.#tokens = {
            input: input + inputTokens,
            cached: cached + cacheReadTokens,
            output: output + outputTokens,
            reasoning: reasoning + reasoningTokens,
          };
        return [];
      }
      case 'run.finished':
        this.#end = { type: 'finished', ...event.data };
        return [];
      default:
        return [];
    }
  }

  #finished(data: EventData['tool.finished'], isShown: boolean): readonly OutputItem[] {
    const { call } = data;
    const called = this.#calls.get(call);
    this.#calls.delete(call);
    if (!called || !isShown) return [];
    const item = endedCall(called, data);
    const place = this.#places.get(call);
    // the call began in an earlier part, which ended with the request about it
    if (place === undefined) return this.#push([item]);
    this.#count(item.output?.length ?? 0);
    this.#items[place] = item;
    return [item];
  }

  #push(items: readonly OutputItem[]): readonly OutputItem[] {
    for (const item of items) {
      this.#count(sizeOf(item));
      this.#items.push(item);
    }
    return items;
  }

  #count(chars: number): void {
    this.#chars += chars;
    if (this.#chars > OUTPUT_CHARS) throw outputTooLarge('outputChars', OUTPUT_CHARS);
  }
}
