/** The most characters of a refusal to look at. Some servers quote the request after their message. */
const MAX_CHARS = 4_000;

/** A number of tokens, characters or the like per time is a rate, and the same request succeeds later. */
const RATE =
  /please wait|try again (in|later)|per[ _-]?(second|minute|hour|day)\b|\b[rt]p[md]\b|rate[ _-]?limit|quota/i;

/** The limit of the answer, which a shorter conversation does not change. */
const OUTPUT =
  /\b(max_(completion_|new_|output_)?tokens|maxOutputTokens)\b|(completion|output|generated|new) tokens/i;
const INPUT = /prompt|\binputs?\b|messages|context|conversation/i;

const TOO_LONG: readonly RegExp[] = [
  /context[ _-]?(length|window|size|limit|overflow)/i,
  /(maximum|max\.?|maximal)[ _-]?(context|(prompt|input|sequence|model)[ _-]?(len|length|size|tokens|characters))\b/i,
  /max_(model_len|prompt_tokens|input_tokens|seq_len)/i,
  /\b(prompts?|inputs?|requests?|messages?|conversation|context)( tokens| body)? ((is|are|was|were) )?((far|much) )?too (long|large|big)/i,
  /too large for\b.{0,60}\bmodel|too many (input |prompt )?tokens/i,
  /(reduce|shorten|decrease|truncate) (the |your )?((length|size|number|amount) of )?(the |your )?(input|prompt|messages?|conversation|context|text)/i,
  /shorter (prompt|input|messages?|conversation|text)/i,
  /(exceed|surpass|greater than|larger than|longer than|more than|limit|less than|at most|up to|<=).{0,80}\btokens?\b/i,
  /\btokens?\b.{0,80}(exceed|surpass|greater than|larger than|longer than|more than|limit|must be (<|less|at most)|less than|supports? (only |at most )?up to)/i,
  /\b(prompt|input)s?( \w+)? (exceed|surpass)|exceeds? (the )?(max(imum)?|allowed) (input |prompt )?(length|size)/i,
  /range of input length|tokens_limit_reached|request_too_large/i,
  /(messages(\[\d+\]\.content)?|input)['"`]?: (string|array) too long/i,
  /(入力|コンテキスト|プロンプト).{0,20}(長すぎ|超え)|(输入|上下文|提示).{0,20}(过长|超[出过])/,
];

/**
 * True for the words with which a provider refuses a request because the conversation is too long. There is no common
 * code for it.
 */
export const saysTooLong = (refusal: string): boolean => {
  const text = refusal.slice(0, MAX_CHARS);
  if (/context_length_exceeded/i.test(text)) return true;
  if (RATE.test(text) || (OUTPUT.test(text) && !INPUT.test(text))) return false;
  return TOO_LONG.some((pattern) => pattern.test(text));
};
