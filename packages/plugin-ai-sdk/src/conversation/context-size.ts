import type { ModelMessage, ToolSet } from 'ai';

/** Of text in the languages that most models were made for; others take more tokens for fewer characters. */
const CHARS_PER_TOKEN = 4;

/** About how many tokens a text takes. Tokenizers differ from model to model, and providers tell only afterwards. */
export const tokensOf = (text: string): number => Math.ceil(text.length / CHARS_PER_TOKEN);

/** About how many characters so many tokens are. */
export const charsOf = (tokens: number): number => tokens * CHARS_PER_TOKEN;

/** About how many tokens a request takes. */
export const requestTokens = (
  system: string | undefined,
  messages: readonly ModelMessage[],
  tools: ToolSet,
): number => tokensOf(`${system ?? ''}${JSON.stringify(messages)}${JSON.stringify(tools)}`);
