import type { PromptResponse } from '@agentclientprotocol/sdk';
import type { JsonObject, JsonValue } from '@worker-runtime/core';
import { isObject, type Usage } from '@worker-runtime/core/plugin-kit';
import type { AgentOptions } from '../options.ts';

type Counts = Omit<Usage, 'type' | 'model'>;
type Names = Readonly<Partial<Record<keyof Counts, string>>>;

/** The names of the counts in `usage` of an answer. */
const USAGE: Names = {
  inputTokens: 'inputTokens',
  outputTokens: 'outputTokens',
  cacheReadTokens: 'cachedReadTokens',
  cacheWriteTokens: 'cachedWriteTokens',
  reasoningTokens: 'thoughtTokens',
};

/** The names of the counts in `_meta.quota.token_count`, which the Gemini CLI sends instead. */
const QUOTA: Names = { inputTokens: 'input_tokens', outputTokens: 'output_tokens' };

const RECORDED = Object.fromEntries(Object.keys(USAGE).map((name) => [name, name])) as Names;

const memberOf = (value: unknown, name: string): unknown => (isObject(value) ? value[name] : undefined);

/** Reads counts. Returns null without input and output tokens, or if both are zero: then the agent does not know them. */
const countsOf = (from: unknown, names: Names): Counts | null => {
  const counts = Object.fromEntries(
    Object.entries(names).flatMap(([name, key]) => {
      const value = memberOf(from, key);
      return Number.isSafeInteger(value) && Number(value) >= 0 ? [[name, Number(value)]] : [];
    }),
  ) as Partial<Counts>;
  const { inputTokens, outputTokens } = counts;
  if (inputTokens === undefined || outputTokens === undefined || inputTokens + outputTokens === 0)
    return null;
  return { ...counts, inputTokens, outputTokens };
};

/** Returns what was used since earlier totals. If a total has become smaller, the agent has begun to count again. */
const since = (totals: Counts, earlier: Counts): Counts => {
  const names = Object.keys(totals) as (keyof Counts)[];
  const used = names.map((name) => [name, (totals[name] ?? 0) - (earlier[name] ?? 0)] as const);
  return used.some(([, tokens]) => tokens < 0)
    ? totals
    : { ...totals, ...(Object.fromEntries(used) as Partial<Counts>) };
};

/**
 * Reads the usage that an agent reports with its answers. Agents differ in whether they count one answer or the whole
 * session, and none says it, so the operator does. Totals of a session become differences.
 */
export class AgentUsage {
  readonly #kind: AgentOptions['usage'];
  #totals: Counts | null = null;

  constructor(kind: AgentOptions['usage']) {
    this.#kind = kind;
  }

  /** The totals of the session so far, for an agent that reopens it. Null if the agent reports none. */
  get totals(): JsonObject | null {
    return this.#totals && { ...this.#totals };
  }

  /** Continues the recorded totals of a reopened session. A new session has none. */
  continue(recorded: JsonValue): void {
    this.#totals = countsOf(recorded, RECORDED);
  }

  /** Returns the usage of the run that an answer ends, or null if it is not known. */
  of(response: PromptResponse): Usage | null {
    if (this.#kind !== 'turn' && this.#kind !== 'session') return null;
    const counts =
      countsOf(memberOf(response, 'usage'), USAGE) ??
      countsOf(memberOf(memberOf(response._meta, 'quota'), 'token_count'), QUOTA);
    if (counts === null) return null;
    const used = this.#totals ? since(counts, this.#totals) : counts;
    if (this.#kind === 'session') this.#totals = counts;
    // A run that was cancelled early may have added nothing to the totals of its session.
    return used.inputTokens + used.outputTokens === 0 ? null : { type: 'usage', ...used };
  }
}
