import type { Argv } from 'yargs';
import type { Output } from '../output.ts';
import { type Alternatives, optionNames } from './alternatives.ts';
import { clientOptions, keyOption } from './client-option.ts';

const adoptOptions = {
  ...clientOptions,
  ...keyOption,
  worker: { type: 'string', requiresArg: true, describe: 'its workerId; minted if left out' },
  'display-name': { type: 'string', requiresArg: true, describe: 'a name for people' },
} as const;

const subcommands = (command: Argv<{ json: boolean }>, alternatives: Alternatives, output: Output) =>
  command
    .command(
      'list',
      'The old pods that are there, each with a reference',
      (list) => {
        alternatives.are(...optionNames(clientOptions));
        return list.options(clientOptions).example('$0 legacy list --json', '');
      },
      async (argv) => (await import('../commands/legacy.ts')).list(argv, output),
    )
    .command(
      'adopt <pod>',
      'Make a Worker of a pod, with the conversation so far',
      (adopt) => {
        alternatives.are(...optionNames(adoptOptions));
        return adopt
          .positional('pod', { type: 'string', demandOption: true, describe: 'its reference in the list' })
          .options(adoptOptions)
          .example('$0 legacy adopt pod_4f6c…', '');
      },
      async (argv) => (await import('../commands/legacy.ts')).adopt(argv, output),
    )
    .demandCommand(1, 'Which command of legacy?');

/** `legacy …` */
export const legacyCommands = (
  command: Argv<{ json: boolean }>,
  alternatives: Alternatives,
  output: Output,
) =>
  command.command('legacy', 'List old pods, and adopt one', (legacy) => {
    alternatives.are('list', 'adopt');
    return subcommands(legacy, alternatives, output);
  });
