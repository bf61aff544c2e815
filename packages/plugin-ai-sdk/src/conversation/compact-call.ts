import type { JsonValue } from '@worker-runtime/core';

/**
 * A compaction stands in the log as a call of this name, whose result holds the summary: all that was said in runs
 * before it is from then on told to the model as that summary. No model and no operator can make such a call: neither
 * can write a name with a colon.
 */
export const COMPACT = 'ai-sdk:compact';

/** The summary in the result of such a call; null where it failed. */
export const summaryIn = (output: JsonValue | undefined): string | null =>
  typeof output === 'object' &&
  output !== null &&
  !Array.isArray(output) &&
  'summary' in output &&
  typeof output.summary === 'string'
    ? output.summary
    : null;
