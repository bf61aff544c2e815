import type { Argv } from 'yargs';
import type { Terminal } from '../attach/standard-terminal.ts';
import type { Output } from '../output.ts';
import { type Alternatives, optionNames } from './alternatives.ts';
import { clientOptions } from './client-option.ts';

/** Defines the command `top`. */
export const topCommand = <T extends { json: boolean }>(
  command: Argv<T>,
  alternatives: Alternatives,
  output: Output,
  terminal: Terminal,
) =>
  command.command(
    'top',
    'Show all Workers live; attach to one, cancel its run, stop or resume it',
    (top) => {
      alternatives.set(...optionNames(clientOptions));
      return top.options(clientOptions).example('$0 top', 'arrows select, Enter attaches, q leaves');
    },
    async (given) => (await import('../commands/top.ts')).top(given, output, terminal),
  );
