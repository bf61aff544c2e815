import type { Argv } from 'yargs';
import type { Output } from '../output.ts';
import type { PluginOptions } from '../plugin-option.ts';
import { type Alternatives, optionNames } from './alternatives.ts';

const doctorOptions = {
  name: { type: 'string', requiresArg: true, describe: 'name of the runtime (default: "default")' },
  repair: { type: 'boolean', default: false, describe: 'repair what can be repaired, without deleting data' },
} as const;

/** Defines the command `doctor`. */
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
      alternatives.set(...optionNames(doctorOptions), '--fs-store.dir', '--json');
      return doctor
        .options(doctorOptions)
        .example('$0 doctor', 'reports each problem and its place, and changes nothing')
        .example('$0 doctor --fs-store.dir ./data --repair', 'rebuilds what can be rebuilt from the logs')
        .epilogue(
          'Plugin option: --fs-store.dir, the directory of the store (default: that of serve with the same settings).',
        );
    },
    async ({ name, repair, json }) => {
      const { examine } = await import('../commands/doctor.ts');
      await examine({ name, repair, json, pluginOptions }, output);
    },
  );
