import type { Observation, RequestOption, WorkerEvent } from '@worker-runtime/core';
import { requestOptionOf, type TextPiece } from '@worker-runtime/core/views';
import {
  CUT_OFF,
  callName,
  choicesOf,
  eventSummary,
  fileWithDigest,
  speakerOf,
  textOf,
} from '../display-text.ts';
import { printable } from '../printable.ts';
import { clip } from '../text-width.ts';
import type { Style } from './style.ts';

/** The longest remark, in columns: it may have the input or output of a tool. */
const REMARK_WIDTH = 200;

/** Renders a stream as a conversation, with the pieces of text that `Conversation` finds in each item. */
export class Narrator {
  readonly #isOwn: (event: WorkerEvent) => boolean;
  readonly #style: Style;
  #open: Pick<TextPiece, 'part' | 'partType'> | null = null;
  /** True if what was shown last is text of the Worker. */
  #isSpeaking = false;

  /** `isOwn` returns true for an input whose text is already on the screen. */
  constructor(isOwn: (event: WorkerEvent) => boolean, style: Style) {
    this.#isOwn = isOwn;
    this.#style = style;
  }

  /** Returns a remark on a line of its own. */
  remark(text: string): string {
    return this.#endLine() + this.#remark(text);
  }

  /** Returns the line of a speaker. */
  line(speaker: string, text: string): string {
    const named = this.#style.speaker?.(speaker) ?? `${speaker}: `;
    return `${this.#endSpeech()}${named}${printable(text)}\n`;
  }

  /** Returns a question on a line of its own. */
  question(prompt: string, options: readonly RequestOption[]): string {
    return this.#endSpeech() + this.#style.question(questionOf(prompt, options));
  }

  /** Returns the text to append for an item, and for the pieces of text that it adds to the conversation. */
  render(item: Observation, pieces: readonly TextPiece[]): string {
    switch (item.type) {
      case 'delta':
      case 'in-flight':
        return pieces.map((piece) => this.#show(piece)).join('');
      case 'event':
        return this.#event(item.event, pieces);
      case 'gap':
        return (
          this.#endLine() +
          this.#remark(`events ${item.afterSeq + 1} to ${item.beforeSeq - 1} cannot be read`)
        );
      case 'ended':
        return (
          this.#endLine() +
          this.#remark(item.code === 'WORKER_NOT_FOUND' ? 'the Worker was deleted' : item.code)
        );
      case 'snapshot':
        return '';
    }
  }

  #event(event: WorkerEvent, pieces: readonly TextPiece[]): string {
    switch (event.type) {
      case 'message.completed':
        return this.#message(event.data.parts, event.data.partial === true, pieces);
      case 'input.accepted':
        if (!this.#isOwn(event)) return this.line(speakerOf(event.data), textOf(event.data));
        this.#isSpeaking = false;
        return '';
      case 'request.opened': {
        const { prompt, options } = event.data;
        return this.question(prompt, options.map(requestOptionOf));
      }
      default: {
        const text = remarkOf(event);
        return text === null ? '' : this.#endLine() + this.#remark(printable(text));
      }
    }
  }

  #message(
    parts: Extract<WorkerEvent, { type: 'message.completed' }>['data']['parts'],
    isPartial: boolean,
    pieces: readonly TextPiece[],
  ): string {
    let output = '';
    for (const part of parts) {
      if (part.type === 'file') output += this.#endLine() + this.#remark(printable(fileWithDigest(part)));
      else for (const piece of pieces) if (piece.part === part.id) output += this.#show(piece);
    }
    return `${output}${isPartial ? CUT_OFF : ''}${this.#endLine()}`;
  }

  #show({ part, partType, text, isReplacement }: TextPiece): string {
    let output = isReplacement ? this.#endLine() : '';
    const isReasoning = partType === 'reasoning';
    if (this.#open?.part !== part) {
      output += this.#endLine();
      if (!this.#isSpeaking) output += this.#style.speaker?.('assistant') ?? '';
      if (isReasoning) output += this.#style.aside('(');
      this.#open = { part, partType };
      this.#isSpeaking = true;
    }
    const shown = printable(text);
    return output + (isReasoning ? this.#style.aside(shown) : shown);
  }

  #remark(text: string): string {
    this.#isSpeaking = false;
    return `${this.#style.aside(`[${clip(text, REMARK_WIDTH)}]`)}\n`;
  }

  #endSpeech(): string {
    this.#isSpeaking = false;
    return this.#endLine();
  }

  /** Ends the line of the part that was shown last. */
  #endLine(): string {
    const open = this.#open;
    this.#open = null;
    if (!open) return '';
    return open.partType === 'reasoning' ? `${this.#style.aside(')')}\n` : '\n';
  }
}

/** Formats a request as a question. A person may answer with the number of an option. */
const questionOf = (prompt: string, options: readonly RequestOption[]): string =>
  printable(`? ${prompt} (${choicesOf(options)})\n`);

/** Returns a remark about an event, or null if a person need not see it. */
const remarkOf = (event: WorkerEvent): string | null => {
  switch (event.type) {
    case 'run.finished':
      return event.data.outcome === 'completed' ? null : eventSummary(event);
    case 'tool.called':
      return `${callName(event.data)} ${JSON.stringify(event.data.input)}`;
    case 'tool.finished':
      return `→ ${eventSummary(event)}`;
    case 'request.resolved':
      return event.data.by === 'client'
        ? `answered: ${eventSummary(event)}`
        : `the request was closed without an answer: ${eventSummary(event)}`;
    case 'diagnostic.recorded':
      return eventSummary(event);
    case 'worker.stopped':
      return `stopped: ${eventSummary(event)}`;
    case 'worker.resumed':
      return `resumed ${eventSummary(event)}`.trimEnd();
    case 'worker.deleted':
      return 'deleted';
    case 'execution.detached':
      return event.data.cause === 'stop' ? null : `the execution ended: ${eventSummary(event)}`;
    default:
      return null;
  }
};
