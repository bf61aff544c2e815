import type { Token } from 'marked';
import { BoundedLexer } from './bounded-lexer.ts';

/** A block of a text, and the place in the text where it begins. */
export interface Placed {
  readonly at: number;
  readonly token: Token;
}

/** The number of blocks of a part. */
const PART_BLOCKS = 16;

/** A text, divided into blocks. */
export interface Parsed {
  readonly text: string;
  /** The parts that later text cannot change. */
  readonly parts: readonly (readonly Placed[])[];
  /** The finished blocks after them: fewer than a part has. */
  readonly finished: readonly Placed[];
  /** The place after the finished blocks. */
  readonly from: number;
  /** The finished blocks and those that later text can change. */
  readonly last: readonly Placed[];
}

export const NOTHING: Parsed = { text: '', parts: [], finished: [], from: 0, last: [] };

/**
 * Parses a text again after more was added: only its last block is read again, since it alone can still change. Returns what was there
 * if nothing was added.
 */
export const parseMore = (before: Parsed, written: string): Parsed => {
  // the lexer counts a return and a new line as one character
  const text = written.includes('\r') ? written.replaceAll(/\r\n?/g, '\n') : written;
  if (text === before.text) return before;
  const base = text.startsWith(before.text) ? before : NOTHING;
  const tokens = new BoundedLexer().lex(text.slice(base.from));
  const open = Math.max(
    0,
    tokens.findLastIndex(({ type }) => type !== 'space'),
  );
  const blocks: Placed[] = [...base.finished];
  let from = base.from;
  let end = base.from;
  for (const [index, token] of tokens.entries()) {
    if (index === open) from = end;
    blocks.push({ at: end, token });
    end += token.raw.length;
  }
  const count = base.finished.length + open;
  const whole = count - (count % PART_BLOCKS);
  const parts = [...base.parts];
  for (let at = 0; at < whole; at += PART_BLOCKS) parts.push(blocks.slice(at, at + PART_BLOCKS));
  return { text, parts, finished: blocks.slice(whole, count), from, last: blocks.slice(whole) };
};
