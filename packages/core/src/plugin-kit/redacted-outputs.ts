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
        return [
          ...this.rest(),
          this.#redactor.json(output as unknown as JsonValue) as unknown as EngineOutput,
        ];
      const { type } = output;
      const text = (this.#held.get(type) ?? '') + output.text;
      return this.#shown(type, text, this.#redactor.settled(text));
    });
  }

  /** Returns the text that was held back. Call it at the end of the run. */
  rest(): readonly EngineOutput[] {
    return [...this.#held].flatMap(([type, text]) => this.#shown(type, text, text.length));
  }

  /** Returns the first `end` characters of a text redacted, and holds the others back. */
  #shown(type: Kind, text: string, end: number): readonly EngineOutput[] {
    if (end === text.length) this.#held.delete(type);
    else this.#held.set(type, text.slice(end));
    return end === 0 ? [] : [{ type, text: this.#redactor.text(text.slice(0, end)) }];
  }
}
