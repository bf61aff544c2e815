import type { Writable } from 'node:stream';

/** The look of the parts of a conversation. */
export interface Style {
  /** The name of a speaker, before what it says; null if it is not shown. */
  readonly speaker: ((name: string) => string) | null;
  /** Text about the conversation, and the reasoning of a model. */
  readonly aside: (text: string) => string;
  /** A question that waits for an answer. */
  readonly question: (text: string) => string;
}

const same = (text: string): string => text;

/** For programs, which get the text alone. */
export const BARE: Style = { speaker: null, aside: same, question: same };

/** For people whose terminal has no colours, or who do not want them. */
const PLAIN: Style = { speaker: (name) => `${name}: `, aside: same, question: same };

/** Sets a style for each line of a text. A style that continues over a line break would also colour what readline draws. */
const styled =
  (on: number, off: number) =>
  (text: string): string =>
    text.replaceAll(/[^\n]+/g, (line) => `\u001b[${on}m${line}\u001b[${off}m`);

const bold = styled(1, 22);

const COLOURED: Style = {
  speaker: (name) => bold(`${name}: `),
  aside: styled(2, 22),
  question: styled(33, 39),
};

/** Returns the style for a person at a terminal. `NO_COLOR` is that of no-color.org. */
export const styleFor = (output: Writable): Style => {
  const hasColours = 'hasColors' in output && typeof output.hasColors === 'function' && output.hasColors();
  return hasColours && !process.env.NO_COLOR ? COLOURED : PLAIN;
};
