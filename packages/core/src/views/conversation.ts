import type { Cursor } from '../contracts/cursor.ts';
import type { MessagePart, WorkerEvent } from '../contracts/event.ts';
import type { InFlightMessage, Observation } from '../contracts/observation.ts';
import type { OpenRequest } from '../contracts/open-request.ts';
import { openRequestOf } from '../contracts/open-request.ts';
import type { RuntimeApi } from '../contracts/runtime-api.ts';
import { type TranscriptItem, transcriptItem } from '../contracts/transcript.ts';
import type { WorkerStatus } from '../contracts/worker.ts';
import { type Block, BlockFold } from './blocks.ts';

type PartType = 'text' | 'reasoning';

/** New text of one part of a message, in the order in which a reader should show it. */
export interface TextPiece {
  readonly run: string | null;
  readonly message: string;
  readonly part: string;
  readonly partType: PartType;
  readonly text: string;
  /** True if the text shown so far for this part is void, and `text` is all of it. */
  readonly isReplacement: boolean;
}

export interface ConversationOptions {
  /** The transcript so far, in log order. */
  readonly items?: readonly TranscriptItem[];
  readonly requests?: readonly OpenRequest[];
  readonly status?: WorkerStatus | null;
  /** The id of the active run. */
  readonly run?: string | null;
  /** The position after `items`; observe after it. */
  readonly cursor?: Cursor | null;
  /**
   * The events before the cursor from which `blocks` begin, in log order; an empty list at the beginning of a log. Absent: no blocks are
   * kept, for readers that need none.
   */
  readonly events?: Iterable<WorkerEvent>;
  /** How many items to keep; older ones are removed. Default 1,000; 0 for readers that need only the text. */
  readonly keptItems?: number;
}

interface WritingPart {
  readonly run: string | null;
  readonly message: string;
  readonly type: PartType;
  /** All text received so far. */
  text: string;
  /** How many UTF-16 units of it were returned as pieces. */
  shown: number;
}

/** The length without the first half of a surrogate pair whose second half has not arrived. */
const completeLength = (text: string): number =>
  /[\ud800-\udbff]$/.test(text) ? text.length - 1 : text.length;

/** How many items `load` reads by default. */
const LOADED_ITEMS = 100;

/**
 * The conversation of one Worker as people see it: the transcript, the text that is being written, the open requests and the status,
 * and the blocks that all of it is shown as. Folds the observations of one stream, and returns each character of an answer once, whether it arrives as deltas, is
 * repeated after a reconnect, or arrives with the completed message. It uses no API of Node, so it works in browsers.
 *
 * @example
 * const conversation = await Conversation.load(api, 'ada');
 * for await (const item of api.observe('ada', { after: conversation.cursor ?? 'start' })) {
 *   for (const piece of conversation.apply(item)) process.stdout.write(piece.text);
 * }
 */
export class Conversation {
  readonly #keptItems: number;
  readonly #writing = new Map<string, WritingPart>();
  #items: TranscriptItem[];
  #requests: readonly OpenRequest[];
  #status: WorkerStatus | null;
  #run: string | null;
  #cursor: Cursor | null;
  #fold: BlockFold | null = null;

  constructor({
    items = [],
    requests = [],
    status = null,
    run = null,
    cursor = null,
    events,
    keptItems = 1_000,
  }: ConversationOptions = {}) {
    this.#keptItems = keptItems;
    this.#items = [...items];
    this.#requests = requests;
    this.#status = status;
    this.#run = run;
    this.#cursor = cursor;
    if (events) this.foldBlocks(events);
  }

  /**
   * Loads the end of a Worker's conversation. Observe after its `cursor`: observations may repeat what the requests and
   * the status contain already, and lead to the same result.
   * @throws as `transcript`, `listRequests` and `getWorker`
   */
  static async load(
    api: Pick<RuntimeApi, 'transcript' | 'listRequests' | 'getWorker'>,
    workerId: string,
    { limit = LOADED_ITEMS, keptItems }: { readonly limit?: number; readonly keptItems?: number } = {},
  ): Promise<Conversation> {
    const { items, asOf } = await api.transcript(workerId, { before: 'end', limit });
    const { items: requests } = await api.listRequests(workerId);
    const { status, run } = await api.getWorker(workerId);
    return new Conversation({
      items,
      requests,
      status,
      run: run?.runId ?? null,
      cursor: asOf,
      ...(keptItems !== undefined && { keptItems }),
    });
  }

  /** The finished items, in log order. `apply` changes this array in place. */
  get items(): readonly TranscriptItem[] {
    return this.#items;
  }

  /** The conversation as people see it, in log order. The same list is returned until it changes. Empty if no blocks are kept. */
  get blocks(): readonly Block[] {
    return this.#fold?.blocks ?? [];
  }

  /** Folds the blocks again, from events up to the cursor. A page of earlier events can so be added, and old ones removed. */
  foldBlocks(events: Iterable<WorkerEvent>): void {
    this.#fold = BlockFold.of(events);
  }

  /** The messages that are being written, with their text so far. */
  get writing(): readonly InFlightMessage[] {
    const messages = new Map<
      string,
      { run: string; message: string; parts: InFlightMessage['parts'][number][] }
    >();
    for (const [id, { run, message, type, text }] of this.#writing) {
      const known = messages.get(message) ?? { run: run ?? '', message, parts: [] };
      known.parts.push({ id, type, text });
      messages.set(message, known);
    }
    return [...messages.values()];
  }

  get requests(): readonly OpenRequest[] {
    return this.#requests;
  }

  /** Null until it is known: a stream that begins after a cursor has no snapshot. */
  get status(): WorkerStatus | null {
    return this.#status;
  }

  /** The id of the active run; null if no run is active, or none is known. */
  get run(): string | null {
    return this.#run;
  }

  /** The position of the last event, to continue after; null before the first one. */
  get cursor(): Cursor | null {
    return this.#cursor;
  }

  /** Applies the next observation of the stream. Returns the text that it adds, in pieces. */
  apply(item: Observation): readonly TextPiece[] {
    switch (item.type) {
      case 'snapshot':
        this.#status = item.worker.status;
        this.#run = item.worker.run?.runId ?? null;
        this.#requests = item.requests;
        this.#cursor = item.asOf;
        return [];
      case 'in-flight':
        return this.#inFlight(item.messages);
      case 'delta':
        return this.#delta(item.run, item.message, item.part, item.partType, item.offset, item.text);
      case 'event':
        this.#cursor = item.cursor;
        return this.#event(item.event);
      default:
        return [];
    }
  }

  /** The text in flight as a whole: parts that are missing in it are void. */
  #inFlight(messages: readonly InFlightMessage[]): TextPiece[] {
    const present = new Set(messages.flatMap(({ parts }) => parts.map(({ id }) => id)));
    for (const id of this.#writing.keys()) if (!present.has(id)) this.#writing.delete(id);
    return messages.flatMap(({ run, message, parts }) =>
      parts.flatMap(({ id, type, text }) => this.#show(run, message, id, type, text, false)),
    );
  }

  #delta(
    run: string,
    message: string,
    id: string,
    type: PartType,
    offset: number,
    added: string,
  ): TextPiece[] {
    const part = this.#writing.get(id);
    const known = part?.text ?? '';
    // text between was missed: the completed message has it
    if (offset > known.length) return [];
    if (part && offset === known.length) return this.#append(id, part, added);
    return this.#show(run, message, id, type, known.slice(0, offset) + added, false);
  }

  /** Adds text to the end of a part. Costs the length of that text, where `#show` compares the whole part. */
  #append(id: string, part: WritingPart, added: string): TextPiece[] {
    const { run, message, type } = part;
    const held = part.text.slice(part.shown);
    part.text += added;
    const text = held + added;
    const piece = text.slice(0, completeLength(text));
    part.shown += piece.length;
    return piece === ''
      ? []
      : [{ run, message, part: id, partType: type, text: piece, isReplacement: false }];
  }

  #event(event: WorkerEvent): readonly TextPiece[] {
    this.#fold?.add(event);
    const item = transcriptItem(event);
    if (item) this.#add(item);
    switch (event.type) {
      case 'message.completed':
        return this.#completed(event.run ?? null, event.data.message, event.data.parts);
      case 'run.started':
        this.#run = event.run ?? null;
        this.#status = 'running';
        return [];
      case 'run.continued':
        this.#run = event.run ?? null;
        // the text of the execution that was interrupted is written again
        this.#writing.clear();
        return [];
      case 'run.finished':
        this.#requests = this.#requests.filter(({ runId }) => runId !== event.run);
        // a queued run that a stop ended was never active
        if (this.#run !== null && this.#run !== event.run) return [];
        this.#run = null;
        this.#writing.clear();
        if (this.#status !== 'stopped') this.#status = 'idle';
        return [];
      case 'request.opened': {
        const opened = openRequestOf(event);
        this.#requests = [
          ...this.#requests.filter(({ requestId }) => requestId !== opened.requestId),
          opened,
        ];
        this.#status = 'waiting';
        return [];
      }
      case 'request.resolved':
        this.#requests = this.#requests.filter(({ requestId }) => requestId !== event.data.request);
        if (this.#requests.length === 0 && this.#status === 'waiting') this.#status = 'running';
        return [];
      case 'worker.stopped':
        this.#status = 'stopped';
        return [];
      case 'worker.resumed':
        this.#status = 'idle';
        return [];
      default:
        return [];
    }
  }

  #completed(run: string | null, message: string, parts: readonly MessagePart[]): readonly TextPiece[] {
    const pieces = parts.flatMap((part) =>
      part.type === 'file' ? [] : this.#show(run, message, part.id, part.type, part.text, true),
    );
    for (const [id, part] of this.#writing) if (part.message === message) this.#writing.delete(id);
    return pieces;
  }

  /** Sets the text of a part. Returns the piece that was not shown yet. */
  #show(
    run: string | null,
    message: string,
    id: string,
    type: PartType,
    text: string,
    isComplete: boolean,
  ): TextPiece[] {
    const known = this.#writing.get(id);
    const part = known ?? { run, message, type, text: '', shown: 0 };
    if (!known) this.#writing.set(id, part);
    const isReplacement = !text.startsWith(part.text.slice(0, part.shown));
    if (isReplacement) part.shown = 0;
    part.text = text;
    const end = Math.max(part.shown, isComplete ? text.length : completeLength(text));
    const piece = text.slice(part.shown, end);
    part.shown = end;
    if (piece === '' && !isReplacement) return [];
    return [{ run, message, part: id, partType: type, text: piece, isReplacement }];
  }

  #add(item: TranscriptItem): void {
    const last = this.#items.at(-1);
    // the event may repeat an item that was loaded
    if (last && item.seq <= last.seq) return;
    this.#items.push(item);
    // half as many again are kept, so that removing stays cheap on average
    if (this.#items.length > this.#keptItems * 1.5)
      this.#items = this.#items.slice(this.#items.length - this.#keptItems);
  }
}
