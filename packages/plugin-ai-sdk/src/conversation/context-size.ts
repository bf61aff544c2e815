import type { ModelMessage, ToolSet } from 'ai';

/** An average for the languages that most models are made for. Other languages have fewer characters per token. */
const CHARS_PER_TOKEN = 4;

/** Estimates the tokens of a text. Tokenizers differ between models, and providers report counts only afterwards. */
export const tokensOf = (text: string): number => Math.ceil(text.length / CHARS_PER_TOKEN);

/** Estimates the characters of a number of tokens. */
export const charsOf = (tokens: number): number => tokens * CHARS_PER_TOKEN;

/** Estimates the tokens of a request. */
export const requestTokens = (
  system: string | undefined,
  messages: readonly ModelMessage[],
  tools: ToolSet,
): number => tokensOf(`${system ?? ''}${JSON.stringify(messages)}${JSON.stringify(tools)}`);
