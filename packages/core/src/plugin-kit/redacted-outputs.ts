import type { EngineOutput } from '../contracts/engine.ts';
import type { JsonValue } from '../contracts/json.ts';
import type { Redactor } from './redactor.ts';

type Kind = 'text' | 'reasoning';

/**
 * Redacts the outputs of one run. Text is streamed in pieces, so the end of a piece that may be the beginning of a
 * secret is held back until more text follows. Reasoning in between does not release the held text: readers join the
 * text of a message, and the secret would be complete again.
 */
export class RedactedOutputs {
  readonly #redactor: Redactor;
  /** The text that is held back of each kind. The kind that was held first comes first. */
  readonly #held = new Map<Kind, string>();

  constructor(redactor: Redactor) {
    this.#redactor = redactor;
  }

  /** Returns the redacted form of the next outputs, as far as it is certain. */
  of(outputs: readonly EngineOutput[]): readonly EngineOutput[] {
    return outputs.flatMap((output) => {
      if (output.type !== 'text' && output.type !== 'reasoning')
        return [...this.rest(), this.#redacted(output)];
      const { type } = output;
      const text = (this.#held.get(type) ?? '') + output.text;
      return this.#shown(type, text, this.#redactor.settled(text));
    });
  }

  /** Returns the text that was held back. Call it at the end of the run. */
  rest(): readonly EngineOutput[] {
    return [...this.#held].flatMap(([type, text]) => this.#shown(type, text, text.length));
  }

  #redacted(output: EngineOutput): EngineOutput {
    if (output.type === 'tool-call') return this.#withOpaque(output);
    const shown = this.#json(output);
    if (output.type !== 'message' || !output.parts) return shown;
    return { type: 'message', parts: output.parts.map((part) => this.#withOpaque(part)) };
  }

  /**
   * Redacts a value with opaque data. The data must go back unchanged, and belongs to the value as it was: where a secret is
   * in either of them, the data is left out.
   */
  #withOpaque<T extends object>(value: T): T {
    const { opaque, ...rest } = value as T & { readonly opaque?: JsonValue };
    const shown = this.#json(rest) as unknown as T;
    const isClean = JSON.stringify([rest, opaque]) === JSON.stringify([shown, this.#json({ opaque }).opaque]);
    return opaque !== undefined && isClean ? { ...shown, opaque } : shown;
  }

  #json<T extends object>(value: T): T {
    return this.#redactor.json(value as unknown as JsonValue) as unknown as T;
  }

  /** Returns the first `end` characters of a text redacted, and holds the others back. */
  #shown(type: Kind, text: string, end: number): readonly EngineOutput[] {
    if (end === text.length) this.#held.delete(type);
    else this.#held.set(type, text.slice(end));
    return end === 0 ? [] : [{ type, text: this.#redactor.text(text.slice(0, end)) }];
  }
}
