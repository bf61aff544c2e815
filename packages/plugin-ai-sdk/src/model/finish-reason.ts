/** The reasons for the end of an answer. */
export type FinishKind = 'stop' | 'length' | 'content-filter' | 'tool-calls' | 'error';

const KINDS: readonly (readonly [FinishKind, RegExp])[] = [
  [
    'stop',
    /^(stop|stop_(sequence|token|string)|stopped|end|end_turn|end_of_turn|end_of_text|eos|eos_token|eot|done|finish|finished|complete|completed|success|pause_turn)$/,
  ],
  [
    'length',
    /^(length|max_?(output_|new_|completion_)?(tokens?|length)|token_limit|model_length|(model_)?context_(window|length)_exceeded)$/,
  ],
  [
    'content-filter',
    /^(content_?filter(ed)?|refusal|safety|sensitive|recitation|blocklist|blocked|prohibited_content|spii|image_safety|language|content_policy\w*|guardrail\w*)$/,
  ],
  ['tool-calls', /^(tool_?calls?|tool_use|function_?calls?)$/],
  [
    'error',
    /error|fail|abort|cancel|time_?out|interrupt|disconnect|overload|unavailable|exception|malformed|insufficient|unexpected|crash|killed/,
  ],
];

/**
 * Returns the kind of a finish reason, or null for one that is not known. Servers use the words of several APIs, and some
 * report a failure only here.
 */
export const finishKind = (reason: string): FinishKind | null => {
  const word = reason
    .trim()
    .toLowerCase()
    .replace(/[\s-]+/g, '_')
    .replace(/^finish_reason_/, '');
  return KINDS.find(([, pattern]) => pattern.test(word))?.[0] ?? null;
};
