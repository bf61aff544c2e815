import type { ModelMessage, ToolSet } from 'ai';
import { fileTokens } from '../model/model-files.ts';

/** The tokens of one character in texts of the Latin script, on average. */
const LATIN = 1 / 4;

/** Digits are grouped into tokens of one to three. */
const DIGIT = 1 / 2;

/** Letters of other alphabets, such as Cyrillic, Arabic and Devanagari. */
const OTHER_LETTER = 1 / 2;

/** Characters of Chinese, Japanese and Korean, symbols, and characters that are not text. */
const WHOLE = 1;

/** Encoded data, such as base64 or hexadecimal digits, which no tokenizer knows. */
const ENCODED = 2 / 3;

/** The length of a word with digits from which on it is taken for encoded data. */
const ENCODED_CHARS = 48;

const isBetween = (code: number, first: number, last: number): boolean => code >= first && code <= last;
const isDigit = (code: number): boolean => isBetween(code, 0x30, 0x39);

/** True for the characters of base64, of hexadecimal numbers and of words. */
const isWordLike = (code: number): boolean =>
  isDigit(code) ||
  isBetween(code, 0x41, 0x5a) ||
  isBetween(code, 0x61, 0x7a) ||
  [0x2b, 0x2d, 0x2f, 0x3d, 0x5f].includes(code);

const weightOf = (code: number): number => {
  if (code < 0x80) return isDigit(code) ? DIGIT : code < 0x20 && !isBetween(code, 0x09, 0x0d) ? WHOLE : LATIN;
  if (isBetween(code, 0xa0, 0x24f)) return LATIN;
  // From the first symbols on (U+2000), almost all characters are symbols, syllables, ideographs or halves of pairs.
  return isBetween(code, 0x250, 0x10ff) || isBetween(code, 0x1200, 0x1fff) ? OTHER_LETTER : WHOLE;
};

interface Measured {
  readonly tokens: number;
  /** The position after the last character that was counted. */
  readonly end: number;
}

/** Counts the estimated tokens of a text from a position on, until they exceed a budget. */
const measure = (text: string, from: number, budget: number): Measured => {
  let tokens = 0;
  let wordChars = 0;
  let hasDigit = false;
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    let weight = weightOf(code);
    if (isWordLike(code)) {
      wordChars += 1;
      hasDigit ||= isDigit(code);
      if (hasDigit && wordChars > ENCODED_CHARS) weight = ENCODED;
      // The beginning of the word was counted as text.
      if (hasDigit && wordChars === ENCODED_CHARS) weight += ENCODED_CHARS * (ENCODED - LATIN);
    } else {
      wordChars = 0;
      hasDigit = false;
    }
    if (tokens + weight > budget) return { tokens, end: at };
    tokens += weight;
  }
  return { tokens, end: text.length };
};

/**
 * Estimates the tokens of a text by its script. Tokenizers differ between models, and providers report counts only
 * afterwards.
 */
export const tokensOf = (text: string): number =>
  Math.ceil(measure(text, 0, Number.POSITIVE_INFINITY).tokens);

/** Splits a text into pieces of at most `tokens` estimated tokens, from a position on. Returns the end of the first. */
export const endOfPiece = (text: string, from: number, tokens: number): number => {
  const { end } = measure(text, from, tokens);
  if (end >= text.length) return text.length;
  const isInPair =
    isBetween(text.charCodeAt(end), 0xdc00, 0xdfff) && isBetween(text.charCodeAt(end - 1), 0xd800, 0xdbff);
  const whole = isInPair ? end - 1 : end;
  return whole > from ? whole : Math.min(text.length, from + 2);
};

/** The parts of a request whose size counts. */
export interface SizedRequest {
  readonly system: string | undefined;
  readonly messages: readonly ModelMessage[];
  readonly tools: ToolSet;
}

/** Estimates the tokens of a request. Its files are not loaded yet: `data` is their digest. */
const requestTokens = ({ system, messages, tools }: SizedRequest): number =>
  tokensOf(`${system ?? ''}${JSON.stringify(messages)}${JSON.stringify(tools)}`) + fileTokens(messages);

/**
 * The size of the requests of one Worker. It is an estimate, raised by the tokens that the provider last counted above
 * the estimate. An execution keeps it between runs, because the conversation does not have the counts; after a restart
 * it begins again with the estimate alone.
 */
export class ContextSize {
  #above = 0;

  /** Returns the estimated tokens of the next request. */
  of(request: SizedRequest): number {
    return requestTokens(request) + this.#above;
  }

  /** Takes the input tokens that the provider counted for a request. */
  counted(request: SizedRequest, inputTokens: number): void {
    this.#above = Math.max(0, inputTokens - requestTokens(request));
  }

  /** Forgets the count, because most of the conversation was replaced. */
  forget(): void {
    this.#above = 0;
  }
}
