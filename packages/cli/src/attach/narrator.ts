import type { Observation, WorkerEvent } from '@worker-runtime/core';
import { CUT_OFF, choicesOf, gistOf } from '../display-text.ts';
import { printable } from '../printable.ts';

type PartType = 'text' | 'reasoning';

/** A part of a message as far as it is known, and how much of it was shown. */
interface Telling {
  text: string;
  shown: number;
}

/** As much of a tool's input or output as fits a remark. */
const clipped = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text);

const remark = (text: string): string => `[${clipped(text)}]\n`;

/** Half of a character at the end waits for its other half. */
const wholeEnd = (text: string): number => (/[\ud800-\udbff]$/.test(text) ? text.length - 1 : text.length);

/**
 * Tells a stream as a conversation: each character of an answer once and as soon as it is there, whether it comes in
 * pieces, again after a cut, or whole.
 */
export class Narrator {
  readonly #isOwn: (event: WorkerEvent) => boolean;
  readonly #parts = new Map<string, Telling>();
  #open: { readonly part: string; readonly type: PartType } | null = null;

  /** `isOwn` says of an input whether its words stand on the screen already. */
  constructor(isOwn: (event: WorkerEvent) => boolean) {
    this.#isOwn = isOwn;
  }

  /** What is to be shown of an item, right behind what was shown before. */
  tell(item: Observation): string {
    switch (item.type) {
      case 'delta': {
        const { text } = this.#part(item.part);
        return this.#show(item.part, item.partType, text.slice(0, item.offset) + item.text);
      }
      case 'in-flight':
        return item.messages
          .flatMap(({ parts }) => parts.map(({ id, type, text }) => this.#show(id, type, text)))
          .join('');
      case 'event':
        return this.#event(item.event);
      case 'gap':
        return this.#rest() + remark(`events ${item.afterSeq + 1} to ${item.beforeSeq - 1} cannot be read`);
      case 'ended':
        return this.#rest() + remark(item.code === 'WORKER_NOT_FOUND' ? 'the Worker is deleted' : item.code);
      case 'snapshot':
        return '';
    }
  }

  #event(event: WorkerEvent): string {
    switch (event.type) {
      case 'message.completed':
        return this.#message(event.data.parts, event.data.partial === true);
      case 'input.accepted':
        return this.#isOwn(event) ? '' : `${this.#rest()}${event.data.role}: ${printable(gistOf(event))}\n`;
      case 'request.opened': {
        const { prompt, options } = event.data;
        return this.#rest() + questionOf(prompt, options);
      }
      default: {
        const text = noteOf(event);
        return text === null ? '' : this.#rest() + remark(printable(text));
      }
    }
  }

  #message(
    parts: Extract<WorkerEvent, { type: 'message.completed' }>['data']['parts'],
    isPartial: boolean,
  ): string {
    let told = '';
    for (const part of parts) {
      if (part.type === 'file') told += this.#rest() + remark(printable(part.name ?? part.mediaType));
      else told += this.#show(part.id, part.type, part.text);
    }
    this.#parts.clear();
    return `${told}${isPartial ? CUT_OFF : ''}${this.#rest()}`;
  }

  #part(id: string): Telling {
    let part = this.#parts.get(id);
    if (!part) {
      part = { text: '', shown: 0 };
      this.#parts.set(id, part);
    }
    return part;
  }

  /** The text of a part is this now. */
  #show(id: string, type: PartType, text: string): string {
    const part = this.#part(id);
    let told = '';
    if (!text.startsWith(part.text.slice(0, part.shown))) {
      // what was shown is void
      told = this.#rest();
      part.shown = 0;
    }
    part.text = text;
    const end = Math.max(part.shown, wholeEnd(text));
    const piece = text.slice(part.shown, end);
    if (piece === '') return told;
    part.shown = end;
    if (this.#open?.part !== id) {
      told += `${this.#rest()}${type === 'reasoning' ? '(' : ''}`;
      this.#open = { part: id, type };
    }
    return told + printable(piece);
  }

  /** Ends the line of a part that is being told. */
  #rest(): string {
    const open = this.#open;
    this.#open = null;
    if (!open) return '';
    return open.type === 'reasoning' ? ')\n' : '\n';
  }
}

/** A request as it is put to a person, who may answer with a number. */
export const questionOf = (prompt: string, options: readonly string[]): string =>
  printable(`? ${prompt} (${choicesOf(options)})\n`);

/** What else a person should know. */
const noteOf = (event: WorkerEvent): string | null => {
  switch (event.type) {
    case 'run.finished':
      return event.data.outcome === 'completed' ? null : gistOf(event);
    case 'tool.called':
      return `${event.data.name} ${JSON.stringify(event.data.input)}`;
    case 'tool.finished':
      return `→ ${gistOf(event)}`;
    case 'request.resolved':
      return event.data.by === 'client'
        ? `answered: ${gistOf(event)}`
        : `no answer is needed any more: ${gistOf(event)}`;
    case 'diagnostic.recorded':
      return gistOf(event);
    case 'worker.stopped':
      return `stopped (${gistOf(event)})`;
    case 'worker.resumed':
      return 'resumed';
    case 'worker.deleted':
      return 'deleted';
    case 'execution.detached':
      return event.data.cause === 'stop' ? null : `the execution is gone: ${gistOf(event)}`;
    default:
      return null;
  }
};
