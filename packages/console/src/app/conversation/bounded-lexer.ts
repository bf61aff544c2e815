import { Lexer, type Token, type TokensList } from 'marked';

/** The most levels of blocks and marks within one another. */
const LEVELS = 32;
/** The most characters times marks in which pairs of marks are looked for, in one text. */
const WORK = 10_000_000;
const MARKS = /[*_~`[\]!<@]/g;
/** A word that is longer than an address. Each of its characters could begin one. */
const LONG_WORD = /\S{1000}/;

/**
 * Divides Markdown of any author into tokens in bounded time. A part that has more levels or more marks than people write stays as it
 * is: each level is a call within a call, and each mark is compared with all that follow it.
 */
export class BoundedLexer extends Lexer {
  #level = 0;
  #work = WORK;

  override blockTokens(src: string, tokens?: Token[], lastParagraphClipped?: boolean): Token[];
  override blockTokens(src: string, tokens?: TokensList, lastParagraphClipped?: boolean): TokensList;
  override blockTokens(src: string, tokens: Token[] = [], lastParagraphClipped?: boolean): Token[] {
    return this.#within(src, tokens, () => super.blockTokens(src, tokens, lastParagraphClipped));
  }

  override inlineTokens(src: string, tokens: Token[] = []): Token[] {
    const work = src.length * (src.match(MARKS)?.length ?? 0);
    if (work > this.#work || LONG_WORD.test(src)) return asText(src, tokens);
    this.#work -= work;
    return this.#within(src, tokens, () => super.inlineTokens(src, tokens));
  }

  #within(src: string, tokens: Token[], divide: () => Token[]): Token[] {
    if (this.#level === LEVELS) return asText(src, tokens);
    this.#level += 1;
    const divided = divide();
    this.#level -= 1;
    return divided;
  }
}

const asText = (src: string, tokens: Token[]): Token[] => {
  tokens.push({ type: 'text', raw: src, text: src, escaped: false });
  return tokens;
};
