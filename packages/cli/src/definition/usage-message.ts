import type { Alternatives } from './alternatives.ts';

/** How many letters must be put in, left out or exchanged to make one word of the other. */
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

/** The word that was perhaps meant, as the end of a sentence. */
const guess = (word: string, known: readonly string[]): string => {
  const [nearest] = known
    .map((name) => ({ name, away: distance(word, name) }))
    .filter(({ name, away }) => away <= Math.min(2, name.length / 2))
    .sort((a, b) => a.away - b.away);
  return nearest === undefined ? '' : `; did you mean ${nearest.name}?`;
};

const flagOf = (name: string): string =>
  name.length === 1 ? `-${name}` : `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** What `--wait` took that was perhaps meant to be the text. */
const takenByWait = (argv: readonly string[]): string => {
  const taken = argv[argv.indexOf('--wait') + 1];
  return argv.includes('--wait') && taken !== undefined && !taken.startsWith('-')
    ? `; --wait took "${taken}" as its seconds: put it last, or write --wait=10`
    : '';
};

/** What yargs says of a wrong call, in words that name what would have been right. */
export const wrongCall = (message: string, known: Alternatives, argv: readonly string[]): string => {
  const [, kind, found = ''] = /^Unknown (command|argument)s?: (.+)$/s.exec(message) ?? [];
  const [word = ''] = found.split(', ');
  if (kind === 'command')
    return known.areCommands
      ? `there is no command "${word}"${guess(word, known.names)} (there are ${known.text})`
      : `there is no place for "${word}": a text of several words takes quotes`;
  if (kind === 'argument')
    return `there is no option ${flagOf(word)}${guess(flagOf(word), known.names)} (known here: ${known.text})`;
  if (message.startsWith('Which')) return `${message} There are ${known.text}`;
  return message.startsWith('Not enough non-option') ? `${message}${takenByWait(argv)}` : message;
};
