import type { Argv } from 'yargs';
import type { Output } from '../output.ts';
import type { PluginOptions } from '../plugin-option.ts';
import { type Alternatives, optionNames } from './alternatives.ts';

const doctorOptions = {
  name: { type: 'string', requiresArg: true, describe: 'which runtime of this user; "default" if left out' },
  repair: { type: 'boolean', default: false, describe: 'put right what can be; nothing is taken away' },
} as const;

/** `doctor` */
export const doctorCommand = (
  command: Argv<{ json: boolean }>,
  pluginOptions: PluginOptions,
  alternatives: Alternatives,
  output: Output,
) =>
  command.command(
    'doctor',
    'Check the files of a runtime that is not running, and repair them',
    (doctor) => {
      alternatives.are(...optionNames(doctorOptions), '--fs-store.dir', '--json');
      return doctor
        .options(doctorOptions)
        .example('$0 doctor', 'says what is wrong where, and changes nothing')
        .example('$0 doctor --fs-store.dir ./data --repair', 'rebuilds what can be rebuilt from the logs');
    },
    async ({ name, repair, json }) => {
      const { examine } = await import('../commands/doctor.ts');
      await examine({ name, repair, json, pluginOptions }, output);
    },
  );
