import type { Argv } from 'yargs';
import { jsonObject } from '../option-value.ts';
import type { Output } from '../output.ts';
import { type Alternatives, optionNames } from './alternatives.ts';
import { clientOptions } from './client-option.ts';

const acpOptions = {
  ...clientOptions,
  engine: { type: 'string', requiresArg: true, demandOption: true, describe: 'engine of the Workers' },
  tool: {
    type: 'array',
    string: true,
    requiresArg: true,
    describe: 'a tool that the Workers may use (repeatable)',
  },
  'engine-config': {
    type: 'string',
    requiresArg: true,
    describe: 'config of the engine, a JSON object',
    coerce: jsonObject('--engine-config'),
  },
  'claim-folder': {
    choices: ['read', 'write'] as const,
    describe: "claim the editor's folder for each session; requires a runtime on the same machine",
  },
} as const;

/** Defines the command `acp`. */
export const acpCommand = <T extends { json: boolean }>(
  command: Argv<T>,
  alternatives: Alternatives,
  output: Output,
) =>
  command.command(
    'acp',
    'Serve Workers to an editor as an agent of the Agent Client Protocol, one Worker per session',
    (acp) => {
      alternatives.set(...optionNames(acpOptions));
      return acp
        .options(acpOptions)
        .example('$0 acp --engine echo', 'the command line for the settings of an editor')
        .example(`$0 acp --engine acp --engine-config '{"agent":"opencode"}' --claim-folder write`, '');
    },
    async (given) => (await import('../commands/acp.ts')).acp(given, output),
  );
