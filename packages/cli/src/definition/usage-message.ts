import { suggestion } from '../suggestion.ts';
import type { Alternatives } from './alternatives.ts';

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

/** Explains that an option took the next word, which is the name of a command. */
const commandTaken = (argv: readonly string[], commands: readonly string[]): string => {
  const at = argv.findIndex(
    (word, index) => commands.includes(word) && /^--[\w-]+$/.test(argv[index - 1] ?? ''),
  );
  return at < 1 ? '' : `; ${argv[at - 1]} took "${argv[at]}" as its value`;
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
  if (message.startsWith('no command given'))
    return `${message}${commandTaken(argv, known.names)}; available commands: ${known.text}`;

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
