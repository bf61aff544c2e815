import type { MessageContent } from '../contracts/engine.ts';
import type { MessagePart } from '../contracts/event.ts';
import type { Delta, InFlightMessage } from '../contracts/observation.ts';
import { outputTooLarge } from '../contracts/runtime-error.ts';
import { mintId } from '../id.ts';
import type { InFlightTotal } from './in-flight-total.ts';

type PartType = 'text' | 'reasoning';

interface WritingPart {
  readonly id: string;
  readonly type: PartType;
  text: string;
}

/** A reader's position in the text in flight: the message, the index of a part, and UTF-16 units of that part. */
export interface InFlightMark {
  readonly message: string;
  readonly part: number;
  readonly units: number;
}

/** Most parts are plain text. Their members are named, because V8 copies an object after other members much more slowly. */
const withId = (id: string, part: MessageContent): MessagePart =>
  part.type !== 'file' && part.opaque === undefined
    ? { id, type: part.type, text: part.text }
    : { id, ...part };

/**
 * The message that a run is writing. It is transient: the `message.completed` that is made of it supersedes it. Readers
 * hold marks instead of queues: whenever a reader pulls, it receives the text after its mark.
 */
export class InFlight {
  readonly run: string;
  readonly #limitBytes: number;
  readonly #total: InFlightTotal;
  #message: string | null = null;
  #parts: WritingPart[] = [];
  #units = 0;

  constructor(run: string, limitBytes: number, total: InFlightTotal) {
    this.run = run;
    this.#limitBytes = limitBytes;
    this.#total = total;
  }

  get isEmpty(): boolean {
    return this.#message === null;
  }

  /**
   * Adds text.
   * @throws OUTPUT_TOO_LARGE the unfinished message has more than `inFlightBytes` UTF-16 units · LIMIT_REACHED the messages of
   * all runs exceed `totalInFlightBytes`
   */
  append(type: PartType, text: string): void {
    if (text === '') return;
    if (this.#units === 0) this.#total.begin();
    this.#units += text.length;
    this.#total.add(text.length, this.#units);
    if (this.#units > this.#limitBytes) {
      throw outputTooLarge(
        'inFlightBytes',
        this.#limitBytes,
        'The engine streamed more text than one message can hold',
      );
    }
    this.#message ??= mintId('msg');
    const last = this.#parts.at(-1);
    if (last?.type === type) last.text += text;
    else this.#parts.push({ id: mintId('part'), type, text });
  }

  /** The id of the message. A streamed message keeps its id when it is completed; so do its parts. */
  messageId(): string {
    return this.#message ?? mintId('msg');
  }

  /** The parts with which an engine completes the message. A part that was streamed keeps its id. */
  completed(parts: readonly MessageContent[]): readonly MessagePart[] {
    let next = 0;
    return parts.map((part) => {
      const streamed = this.#parts[next];
      // a part without text was not streamed
      const isStreamed = streamed?.type === part.type && part.text !== '';
      if (isStreamed) next += 1;
      return withId(isStreamed ? streamed.id : mintId('part'), part);
    });
  }

  /** The streamed text as parts of a message. */
  written(): readonly MessagePart[] {
    return this.#parts.map(({ id, type, text }) => ({ id, type, text: text.toWellFormed() }));
  }

  /** Clears the text after a completed message has superseded it, or the run has ended. */
  clear(): void {
    if (this.#units > 0) this.#total.end(this.#units);
    this.#message = null;
    this.#parts = [];
    this.#units = 0;
  }

  /** The text so far, and the mark after it. */
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

  /** The next text of one part after a mark; null at the end. A mark of another message counts as the beginning. */
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
