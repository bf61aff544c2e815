import type { JsonValue } from '@worker-runtime/core';

/**
 * The name under which a compaction is recorded as a tool call. The result of the call has the summary, which replaces
 * all earlier runs in later requests. Models and operators cannot make such a call, because their tool names have no
 * colon.
 */
export const COMPACT_CALL = 'ai-sdk:compact';

/** Returns the summary in the result of a compaction, or null if it failed. */
export const summaryIn = (output: JsonValue | undefined): string | null =>
  typeof output === 'object' &&
  output !== null &&
  !Array.isArray(output) &&
  'summary' in output &&
  typeof output.summary === 'string'
    ? output.summary
    : null;
