import type { EngineOutput } from '../contracts/engine.ts';
import type { JsonValue } from '../contracts/json.ts';
import type { Redactor } from './redactor.ts';

/**
 * Redacts the outputs of one run. Text is streamed in pieces, so the end of a piece that may be the beginning of a
 * secret is held back until more text follows.
 */
export class RedactedOutputs {
  readonly #redactor: Redactor;
  #type: 'text' | 'reasoning' = 'text';
  #held = '';

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
      const before = output.type === this.#type ? [] : this.rest();
      this.#type = output.type;
      this.#held += output.text;
      return [...before, ...this.#shown(this.#redactor.settled(this.#held))];
    });
  }

  /** Returns the text that was held back. Call it at the end of the run. */
  rest(): readonly EngineOutput[] {
    return this.#shown(this.#held.length);
  }

  #shown(end: number): readonly EngineOutput[] {
    if (end === 0) return [];
    const text = this.#redactor.text(this.#held.slice(0, end));
    this.#held = this.#held.slice(end);
    return [{ type: this.#type, text }];
  }
}
