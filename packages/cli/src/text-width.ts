/** The width of text on a terminal, in columns: an ideograph or an emoji takes two, a combining mark none. */
import stringWidth from 'string-width';

const ASCII = /^[\x20-\x7e]*$/;
/** Finds what people see as characters. To cut one in two would show something else, or nothing. */
const characters = new Intl.Segmenter();

/** Returns the columns that a text takes, which has no line break. */
export const widthOf = (text: string): number => (ASCII.test(text) ? text.length : stringWidth(text));

/** Returns the index after the last character that fits into a width together with those before it. */
const endWithin = (text: string, width: number): number => {
  if (text.length <= width && ASCII.test(text)) return text.length;
  let left = width;
  for (const { segment, index } of characters.segment(text)) {
    left -= widthOf(segment);
    if (left < 0) return index;
  }
  return text.length;
};

/** Shortens a text to a width, and marks that it was longer. */
export const clip = (text: string, width: number): string =>
  endWithin(text, width) === text.length ? text : `${text.slice(0, endWithin(text, width - 1))}…`;

/** Fills a text with blanks up to a width. */
export const pad = (text: string, width: number): string =>
  text + ' '.repeat(Math.max(0, width - widthOf(text)));

/** Splits a text into lines of a width of at least two columns, at blanks if possible. */
export const wrap = (text: string, width: number): readonly string[] => {
  const lines: string[] = [];
  let rest = text;
  for (;;) {
    const end = endWithin(rest, width);
    if (end === rest.length) return [...lines, rest];
    const blank = rest.lastIndexOf(' ', end);
    const at = blank > 0 ? blank : end;
    lines.push(rest.slice(0, at));
    rest = rest.slice(at).trimStart();
  }
};
