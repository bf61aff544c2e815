import type { Argv } from 'yargs';
import type { Terminal } from '../attach/standard-terminal.ts';
import type { Output } from '../output.ts';
import { type Alternatives, optionNames } from './alternatives.ts';
import { aWorker, clientOptions } from './client-option.ts';

/** Defines the command `attach`. */
export const attachCommand = <T extends { json: boolean }>(
  command: Argv<T>,
  alternatives: Alternatives,
  output: Output,
  terminal: Terminal,
) =>
  command.command(
    'attach <worker>',
    'Talk to a Worker: type inputs, see its answers, answer its requests',
    (attach) => {
      alternatives.set(...optionNames(clientOptions));
      return aWorker(attach)
        .options(clientOptions)
        .example('$0 attach ada', 'Ctrl-C cancels the run, Ctrl-D leaves')
        .example('echo hello | $0 attach ada', 'ends when the answer is complete');
    },
    async (given) => (await import('../commands/attach.ts')).attach(given, output, terminal),
  );
