/** Begins a word that is not an option. No word of a command line can have this character. */
const MARK = '\0';

/**
 * Marks the words that are not options although they may begin with "-": those behind `--`, and "-" alone. yargs reads the arguments of
 * a command twice, and the second time it does not know what stood behind `--`.
 */
export const markLiterals = (argv: readonly string[]): readonly string[] => {
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length;
  const before = argv.slice(0, end).map((word) => (word === '-' ? MARK + word : word));
  return [...before, ...argv.slice(end + 1).map((word) => MARK + word)];
};

/** Returns a text without the marks of its words. */
export const withoutMarks = (text: string): string => text.replaceAll(MARK, '');

const unmarked = (value: unknown): unknown => {
  if (typeof value === 'string') return withoutMarks(value);
  return Array.isArray(value) ? value.map(unmarked) : value;
};

/** Removes the marks from the arguments of a command. */
export const unmarkLiterals = (given: Record<string, unknown>): void => {
  for (const [name, value] of Object.entries(given)) given[name] = unmarked(value);
};
