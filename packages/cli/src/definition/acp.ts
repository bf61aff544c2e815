import type { Argv } from 'yargs';
import { jsonObject } from '../option-value.ts';
import type { Output } from '../output.ts';
import { type Alternatives, optionNames } from './alternatives.ts';
import { clientOptions } from './client-option.ts';

const acpOptions = {
  ...clientOptions,
  engine: { type: 'string', requiresArg: true, demandOption: true, describe: 'what runs its Workers' },
  tool: {
    type: 'array',
    string: true,
    requiresArg: true,
    describe: 'a tool that they may use; again for more',
  },
  'engine-config': {
    type: 'string',
    requiresArg: true,
    describe: "a JSON object, the engine's own",
    coerce: jsonObject('--engine-config'),
  },
  'claim-folder': {
    choices: ['read', 'write'] as const,
    describe: "they claim the editor's folder, where the runtime is on the same machine",
  },
} as const;

/** `acp` */
export const acpCommand = <T extends { json: boolean }>(
  command: Argv<T>,
  alternatives: Alternatives,
  output: Output,
) =>
  command.command(
    'acp',
    'Be an agent of the Agent Client Protocol for an editor: each of its sessions is a Worker',
    (acp) => {
      alternatives.are(...optionNames(acpOptions));
      return acp
        .options(acpOptions)
        .example('$0 acp --engine echo', 'what an editor is told to start')
        .example(`$0 acp --engine acp --engine-config '{"agent":"opencode"}' --claim-folder write`, '');
    },
    async (given) => (await import('../commands/acp.ts')).acp(given, output),
  );
