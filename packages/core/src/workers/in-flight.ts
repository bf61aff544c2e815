import type { MessagePart } from '../contracts/event.ts';
import type { Delta, InFlightMessage } from '../contracts/runtime-api.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import { mintId } from '../id.ts';

type PartType = 'text' | 'reasoning';

interface WritingPart {
  readonly id: string;
  readonly type: PartType;
  text: string;
}

/** How far a reader has read the text in flight: of which message, up to which part, and how much of that one. */
export interface InFlightMark {
  readonly message: string;
  readonly part: number;
  readonly units: number;
}

/**
 * The message that a run is writing. Transient: what is here is superseded by the `message.completed` made of it.
 * Readers hold marks, not queues: what is due to one is the text behind its mark, whenever it comes for it.
 */
export class InFlight {
  readonly run: string;
  readonly #limitBytes: number;
  #message: string | null = null;
  #parts: WritingPart[] = [];
  #units = 0;

  constructor(run: string, limitBytes: number) {
    this.run = run;
    this.#limitBytes = limitBytes;
  }

  get isEmpty(): boolean {
    return this.#message === null;
  }

  /** @throws OUTPUT_TOO_LARGE more text than `inFlightBytes`, counted in UTF-16 units, that no message has closed */
  append(type: PartType, text: string): void {
    if (text === '') return;
    this.#units += text.length;
    if (this.#units > this.#limitBytes) {
      throw new RuntimeError('OUTPUT_TOO_LARGE', 'The engine streamed more text than a message may hold', {
        details: { limit: 'inFlightBytes', value: this.#limitBytes },
      });
    }
    this.#message ??= mintId('msg');
    const last = this.#parts.at(-1);
    if (last?.type === type) last.text += text;
    else this.#parts.push({ id: mintId('part'), type, text });
  }

  /** The id of the message and of a part by position: those that were streamed keep theirs. */
  messageId(): string {
    return this.#message ?? mintId('msg');
  }

  partId(index: number, type: string): string {
    const part = this.#parts[index];
    return part?.type === type ? part.id : mintId('part');
  }

  /** What was streamed, as parts of a message. */
  written(): readonly MessagePart[] {
    return this.#parts.map(({ id, type, text }) => ({ id, type, text }));
  }

  /** A message has superseded the text. */
  clear(): void {
    this.#message = null;
    this.#parts = [];
    this.#units = 0;
  }

  /** The text so far, and the mark behind it. */
  snapshot(): { readonly messages: readonly InFlightMessage[]; readonly mark: InFlightMark | null } {
    if (this.#message === null) return { messages: [], mark: null };
    return {
      messages: [
        {
          run: this.run,
          message: this.#message,
          parts: this.#parts.map(({ id, type, text }) => ({ id, type, text })),
        },
      ],
      mark: this.#end(this.#message),
    };
  }

  /** The next text behind a mark, of one part; null where the mark is at the end. A mark of another message is void. */
  next(mark: InFlightMark | null): { readonly delta: Delta; readonly mark: InFlightMark } | null {
    const message = this.#message;
    if (message === null) return null;
    const read = mark?.message === message ? mark : { message, part: 0, units: 0 };
    for (let at = read.part; at < this.#parts.length; at++) {
      const { id, type, text } = this.#parts[at] as WritingPart;
      const offset = at === read.part ? read.units : 0;
      if (text.length === offset) continue;
      return {
        delta: { run: this.run, message, part: id, partType: type, offset, text: text.slice(offset) },
        mark: { message, part: at, units: text.length },
      };
    }
    return null;
  }

  #end(message: string): InFlightMark {
    return { message, part: this.#parts.length - 1, units: this.#parts.at(-1)?.text.length ?? 0 };
  }
}
