import { replaceInvisible } from '@worker-runtime/core/views';

const REPLACEMENT = '\u{fffd}';

/**
 * Replaces the control characters in text from outside, because a terminal would obey them: the answer of an agent must
 * not move the cursor or set a title. So are those that a reader does not see, so that no request reads as another one. Line breaks and
 * tabs stay. With `--json`, programs get the text unchanged.
 */
export const printable = (text: string): string =>
  replaceInvisible(text, () => REPLACEMENT).replace(/[^\P{Cc}\n\t]/gu, REPLACEMENT);

/**
 * Does the same and puts the text on one line, for a cell of a table. Each break becomes a mark, together with the white
 * space around it, and a tab becomes a blank. Costs the length of the text, also for long runs of white space.
 */
export const printableLine = (text: string): string => {
  const [first = '', ...others] = text.split('\n');
  const last = others.pop();
  if (last === undefined) return printable(text).replaceAll('\t', ' ');
  const middle = others.map((line) => line.trim()).filter((line) => line !== '');
  return printable([first.trimEnd(), ...middle, last.trimStart()].join(' ⏎ ')).replaceAll('\t', ' ');
};
