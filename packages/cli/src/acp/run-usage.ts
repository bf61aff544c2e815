import type { Usage } from '@agentclientprotocol/sdk/unstable';
import type { EventData } from '@worker-runtime/core';

/** Sums up the tokens of one run, as the answer to a prompt reports them. */
export class RunUsage {
  readonly #usage = {
    totalTokens: 0,
    inputTokens: 0,
    outputTokens: 0,
    cachedReadTokens: 0,
    cachedWriteTokens: 0,
    thoughtTokens: 0,
  } satisfies Usage;

  add(data: EventData['usage.recorded']): void {
    const sum = this.#usage;
    sum.totalTokens += data.inputTokens + data.outputTokens;
    sum.inputTokens += data.inputTokens;
    sum.outputTokens += data.outputTokens;
    sum.cachedReadTokens += data.cacheReadTokens ?? 0;
    sum.cachedWriteTokens += data.cacheWriteTokens ?? 0;
    sum.thoughtTokens += data.reasoningTokens ?? 0;
  }

  /** The member of the answer, or nothing if the run recorded no tokens. */
  get response(): { readonly usage?: Usage } {
    return this.#usage.totalTokens === 0 ? {} : { usage: this.#usage };
  }
}
