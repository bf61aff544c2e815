import type { Observation, WorkerEvent } from '@worker-runtime/core';
import { CUT_OFF, choicesOf, eventSummary } from '../display-text.ts';
import { printable } from '../printable.ts';

type PartType = 'text' | 'reasoning';

/** A part of a message. */
interface MessagePart {
  /** The text received so far. */
  text: string;
  /** The number of characters shown so far. */
  shown: number;
  /** The half of a surrogate pair at the end of the text, which is not shown yet. */
  half: string;
}

/** Shortens the input or output of a tool to the length of a remark. */
const clipped = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text);

const remark = (text: string): string => `[${clipped(text)}]\n`;

/** Returns the length without a trailing half of a surrogate pair, whose other half has not arrived. */
const completeLength = (text: string): number =>
  /[\ud800-\udbff]$/.test(text) ? text.length - 1 : text.length;

/**
 * Renders a stream as a conversation. Each character of an answer is shown once and as soon as it arrives, whether it
 * arrives in pieces, is repeated after a reconnect, or arrives as a whole.
 */
export class Narrator {
  readonly #isOwn: (event: WorkerEvent) => boolean;
  readonly #parts = new Map<string, MessagePart>();
  #open: { readonly part: string; readonly type: PartType } | null = null;

  /** `isOwn` returns true for an input whose text is already on the screen. */
  constructor(isOwn: (event: WorkerEvent) => boolean) {
    this.#isOwn = isOwn;
  }

  /** Returns the text to append for an item. */
  render(item: Observation): string {
    switch (item.type) {
      case 'delta': {
        const { part, partType, text, offset } = item;
        const before = this.#part(part).text;
        return offset === before.length
          ? this.#append(part, partType, text)
          : this.#show(part, partType, before.slice(0, offset) + text);
      }
      case 'in-flight':
        return item.messages
          .flatMap(({ parts }) => parts.map(({ id, type, text }) => this.#show(id, type, text)))
          .join('');
      case 'event':
        return this.#event(item.event);
      case 'gap':
        return (
          this.#endLine() + remark(`events ${item.afterSeq + 1} to ${item.beforeSeq - 1} cannot be read`)
        );
      case 'ended':
        return (
          this.#endLine() + remark(item.code === 'WORKER_NOT_FOUND' ? 'the Worker was deleted' : item.code)
        );
      case 'snapshot':
        return '';
    }
  }

  #event(event: WorkerEvent): string {
    switch (event.type) {
      case 'message.completed':
        return this.#message(event.data.parts, event.data.partial === true);
      case 'input.accepted':
        return this.#isOwn(event)
          ? ''
          : `${this.#endLine()}${event.data.role}: ${printable(eventSummary(event))}\n`;
      case 'request.opened': {
        const { prompt, options } = event.data;
        return this.#endLine() + questionOf(prompt, options);
      }
      default: {
        const text = remarkOf(event);
        return text === null ? '' : this.#endLine() + remark(printable(text));
      }
    }
  }

  #message(
    parts: Extract<WorkerEvent, { type: 'message.completed' }>['data']['parts'],
    isPartial: boolean,
  ): string {
    let output = '';
    for (const part of parts) {
      if (part.type === 'file') output += this.#endLine() + remark(printable(part.name ?? part.mediaType));
      else output += this.#show(part.id, part.type, part.text);
    }
    this.#parts.clear();
    return `${output}${isPartial ? CUT_OFF : ''}${this.#endLine()}`;
  }

  #part(id: string): MessagePart {
    let part = this.#parts.get(id);
    if (!part) {
      part = { text: '', shown: 0, half: '' };
      this.#parts.set(id, part);
    }
    return part;
  }

  /** Sets the text of a part. Returns what is new in it. */
  #show(id: string, type: PartType, text: string): string {
    const part = this.#part(id);
    let output = '';
    if (!text.startsWith(part.text.slice(0, part.shown))) {
      // the new text replaces what was shown
      output = this.#endLine();
      part.shown = 0;
    }
    part.text = text.slice(0, part.shown);
    part.half = '';
    return output + this.#append(id, type, text.slice(part.shown));
  }

  /** Adds to the end of a part. Costs the length of the addition, not of the part. */
  #append(id: string, type: PartType, text: string): string {
    const part = this.#part(id);
    const unseen = part.half + text;
    const piece = unseen.slice(0, completeLength(unseen));
    part.text += text;
    part.half = unseen.slice(piece.length);
    part.shown += piece.length;
    if (piece === '') return '';
    let output = '';
    if (this.#open?.part !== id) {
      output = `${this.#endLine()}${type === 'reasoning' ? '(' : ''}`;
      this.#open = { part: id, type };
    }
    return output + printable(piece);
  }

  /** Ends the line of the part that was shown last. */
  #endLine(): string {
    const open = this.#open;
    this.#open = null;
    if (!open) return '';
    return open.type === 'reasoning' ? ')\n' : '\n';
  }
}

/** Formats a request as a question. A person may answer with the number of an option. */
export const questionOf = (prompt: string, options: readonly string[]): string =>
  printable(`? ${prompt} (${choicesOf(options)})\n`);

/** Returns a remark about an event, or null if a person need not see it. */
const remarkOf = (event: WorkerEvent): string | null => {
  switch (event.type) {
    case 'run.finished':
      return event.data.outcome === 'completed' ? null : eventSummary(event);
    case 'tool.called':
      return `${event.data.name} ${JSON.stringify(event.data.input)}`;
    case 'tool.finished':
      return `→ ${eventSummary(event)}`;
    case 'request.resolved':
      return event.data.by === 'client'
        ? `answered: ${eventSummary(event)}`
        : `the request was closed without an answer: ${eventSummary(event)}`;
    case 'diagnostic.recorded':
      return eventSummary(event);
    case 'worker.stopped':
      return `stopped (${eventSummary(event)})`;
    case 'worker.resumed':
      return 'resumed';
    case 'worker.deleted':
      return 'deleted';
    case 'execution.detached':
      return event.data.cause === 'stop' ? null : `the execution ended: ${eventSummary(event)}`;
    default:
      return null;
  }
};
