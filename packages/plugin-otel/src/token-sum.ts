import type { Attributes } from '@opentelemetry/api';
import type { UsageData } from '@worker-runtime/core';

const KINDS = [
  ['inputTokens', 'gen_ai.usage.input_tokens'],
  ['outputTokens', 'gen_ai.usage.output_tokens'],
  ['cacheReadTokens', 'gen_ai.usage.cache_read.input_tokens'],
  ['cacheWriteTokens', 'gen_ai.usage.cache_creation.input_tokens'],
  ['reasoningTokens', 'gen_ai.usage.reasoning.output_tokens'],
] as const;

/** The tokens of a step or of a run, and the model if it is the same for all. */
export class TokenSum {
  readonly #sums = new Map<string, number>();
  #model: string | null | undefined;

  add(usage: UsageData): void {
    for (const [kind, name] of KINDS) {
      const tokens = usage[kind];
      if (tokens !== undefined) this.#sums.set(name, (this.#sums.get(name) ?? 0) + tokens);
    }
    const model = usage.model ?? null;
    this.#model = this.#model === undefined || this.#model === model ? model : null;
  }

  /** Returns the sums of the kinds that were reported, and the model. */
  attributes(): Attributes {
    return {
      ...Object.fromEntries(this.#sums),
      ...(typeof this.#model === 'string' && { 'gen_ai.response.model': this.#model }),
    };
  }
}
