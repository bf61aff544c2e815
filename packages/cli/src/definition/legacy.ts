import type { Argv } from 'yargs';
import type { Output } from '../output.ts';
import { type Alternatives, optionNames } from './alternatives.ts';
import { clientOptions, keyOption } from './client-option.ts';

const adoptOptions = {
  ...clientOptions,
  ...keyOption,
  worker: { type: 'string', requiresArg: true, describe: 'id of the new Worker (default: a generated one)' },
  'display-name': { type: 'string', requiresArg: true, describe: 'name to show to people' },
} as const;

const subcommands = (command: Argv<{ json: boolean }>, alternatives: Alternatives, output: Output) =>
  command
    .command(
      'list',
      'List the pods of the old system with their references',
      (list) => {
        alternatives.set(...optionNames(clientOptions));
        return list.options(clientOptions).example('$0 legacy list --json', '');
      },
      async (argv) => (await import('../commands/legacy.ts')).list(argv, output),
    )
    .command(
      'adopt <pod>',
      'Create a Worker from a pod, with its conversation so far',
      (adopt) => {
        alternatives.set(...optionNames(adoptOptions));
        return adopt
          .positional('pod', {
            type: 'string',
            demandOption: true,
            describe: 'reference of the pod in the list',
          })
          .options(adoptOptions)
          .example('$0 legacy adopt pod_4f6c…', '');
      },
      async (argv) => (await import('../commands/legacy.ts')).adopt(argv, output),
    )
    .demandCommand(1, 'no command given after "legacy"');

/** Defines the commands below `legacy`. */
export const legacyCommands = (
  command: Argv<{ json: boolean }>,
  alternatives: Alternatives,
  output: Output,
) =>
  command.command('legacy', 'List the pods of the old system, and adopt one', (legacy) => {
    alternatives.set('list', 'adopt');
    return subcommands(legacy, alternatives, output);
  });
