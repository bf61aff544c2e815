import { clip, pad, widthOf, wrap } from './text-width.ts';

/** The least width to which a column shrinks on a narrow terminal. */
const LEAST_WIDTH = 6;
/** The least width in which a text is wrapped. */
const LEAST_TEXT_WIDTH = 16;

const GAP = '  ';

/** The terminal for which a table is formatted. Without `columns` the output is not a terminal, and is as wide as it needs to be. */
interface TableLook {
  readonly columns?: number | undefined;
  /** True if the last column is text, which is wrapped within its column instead of shortened. */
  readonly isText?: boolean;
}

/** Takes width from the widest columns until the line fits. The first one names its row, and so it shrinks last. */
const shrink = (widths: readonly number[], columns: number): readonly number[] => {
  const fitted = [...widths];
  const total = (): number => fitted.reduce((sum, width) => sum + width, GAP.length * (fitted.length - 1));
  while (total() > columns) {
    const others = Math.max(...fitted.slice(1));
    const at = others > LEAST_WIDTH ? fitted.lastIndexOf(others) : 0;
    const width = fitted[at] ?? 0;
    if (width <= LEAST_WIDTH) break;
    fitted[at] = width - 1;
  }
  return fitted;
};

/** Formats rows under headings for people. Columns are as wide as their longest cell; the last one is not padded. */
export const table = (
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  { columns = Number.POSITIVE_INFINITY, isText = false }: TableLook = {},
): string => {
  const all = [headings, ...rows];
  const needed = headings.map((_, at) => Math.max(...all.map((row) => widthOf(row[at] ?? ''))));
  const last = headings.length - 1;
  const textWidth = Math.min(needed[last] ?? 0, LEAST_TEXT_WIDTH);
  const widths = isText
    ? shrink(needed.with(last, textWidth), columns).with(last, needed[last] ?? 0)
    : shrink(needed, columns);
  const indent = widths.slice(0, last).reduce((sum, width) => sum + width + GAP.length, 0);
  return all
    .map((row) => {
      const text = isText ? (row[last] ?? '') : clip(row[last] ?? '', widths[last] ?? 0);
      const before = row
        .slice(0, last)
        .map((cell, at) => pad(clip(cell, widths[at] ?? 0), widths[at] ?? 0) + GAP)
        .join('');
      const line = (before + text).trimEnd();
      if (widthOf(line) <= columns) return line;
      if (!isText) return clip(line, columns);
      return (
        before + wrap(text, Math.max(LEAST_TEXT_WIDTH, columns - indent)).join(`\n${' '.repeat(indent)}`)
      );
    })
    .join('\n');
};

/** Formats names and values, one pair a line. Omits pairs whose value is null. */
export const fieldList = (
  fields: readonly (readonly [name: string, value: string | null])[],
  columns = Number.POSITIVE_INFINITY,
): string => {
  const shown = fields.filter((field): field is readonly [string, string] => field[1] !== null);
  const width = Math.max(...shown.map(([name]) => name.length));
  const indent = width + GAP.length;
  const room = Math.max(LEAST_TEXT_WIDTH, columns - indent);
  return shown
    .map(([name, value]) => name.padEnd(indent) + wrap(value, room).join(`\n${' '.repeat(indent)}`))
    .join('\n');
};
