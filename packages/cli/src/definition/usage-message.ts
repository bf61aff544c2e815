import type { Alternatives } from './alternatives.ts';

/** Returns the edit distance of two words: how many letters must be inserted, removed or replaced. */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let at = 0; at < a.length; at++) {
    const next = [at + 1];
    for (let to = 1; to <= b.length; to++)
      next.push(
        Math.min(
          (next[to - 1] ?? 0) + 1,
          (row[to] ?? 0) + 1,
          (row[to - 1] ?? 0) + (b[to - 1] === a[at] ? 0 : 1),
        ),
      );
    row = next;
  }
  return row[b.length] ?? 0;
};

/** Suggests the most similar known word, or nothing if none is similar enough. */
const suggestion = (word: string, known: readonly string[]): string => {
  const [nearest] = known
    .map((name) => ({ name, away: distance(word, name) }))
    .filter(({ name, away }) => away <= Math.min(2, name.length / 2))
    .sort((a, b) => a.away - b.away);
  return nearest === undefined ? '' : `; did you mean ${nearest.name}?`;
};

const flagOf = (name: string): string =>
  name.length === 1 ? `-${name}` : `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

const flagsOf = (names: string): string => names.split(', ').map(flagOf).join(', ');

/** Explains that `--wait` took the next word, which was perhaps meant as the text. */
const takenByWait = (argv: readonly string[]): string => {
  const taken = argv[argv.indexOf('--wait') + 1];
  return argv.includes('--wait') && taken !== undefined && !taken.startsWith('-')
    ? `; --wait took "${taken}" as its seconds: put --wait last, or write --wait=10`
    : '';
};

/** Explains that a word which begins with "-" was taken for an option, and was perhaps meant as an argument. */
const takenAsOption = (argv: readonly string[]): string =>
  !argv.includes('--') && argv.some((word) => /^-.*\s|^-+[^-a-z]/is.test(word))
    ? '; put -- before arguments that begin with "-"'
    : '';

/** Rewrites a message of yargs about a usage error. The result says what would have been right. */
export const usageMessage = (message: string, known: Alternatives, argv: readonly string[]): string => {
  const [, kind, found = ''] = /^Unknown (command|argument)s?: (.+)$/s.exec(message) ?? [];
  const [word = ''] = found.split(', ');
  if (kind === 'command')
    return known.areCommands
      ? `unknown command "${word}"${suggestion(word, known.names)} (available commands: ${known.text})`
      : `unexpected argument "${word}"; put a text of several words in quotes`;
  if (kind === 'argument')
    return `unknown option ${flagOf(word)}${suggestion(flagOf(word), known.names)} (available options: ${known.text})`;
  if (message.startsWith('no command given')) return `${message}; available commands: ${known.text}`;

  const [, got, least] =
    /^Not enough non-option arguments: got (\d+), need at least (\d+)$/.exec(message) ?? [];
  if (got !== undefined)
    return `missing argument: got ${got}, expected ${least}${takenByWait(argv) || takenAsOption(argv) || '; see --help'}`;
  const [, missing] = /^Missing required arguments?: (.+)$/.exec(message) ?? [];
  if (missing !== undefined) return `missing option: ${flagsOf(missing)}`;
  const [, empty] = /^Not enough arguments following: (.+)$/.exec(message) ?? [];
  if (empty !== undefined) return `${flagsOf(empty)} needs a value`;
  const [, one = '', other = ''] = /^Arguments (\S+) and (\S+) are mutually exclusive$/.exec(message) ?? [];
  if (other !== '') return `${flagOf(one)} and ${flagOf(other)} cannot be combined`;
  const [, name = '', given, choices = ''] =
    /^Invalid values:\s+Argument: (\S+), Given: (".*"), Choices: (.+)$/s.exec(message) ?? [];
  if (given !== undefined)
    return `${flagOf(name)} must be one of ${choices.replaceAll('"', '')}, not ${given}`;
  return message;
};
