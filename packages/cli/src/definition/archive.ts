import type { Argv } from 'yargs';
import type { Output } from '../output.ts';
import type { PluginOptions } from '../plugin-option.ts';
import { type Alternatives, optionNames } from './alternatives.ts';
import { clientOptions } from './client-option.ts';

const storeOptions = {
  name: { type: 'string', requiresArg: true, describe: 'name of the runtime (default: "default")' },
} as const;
const importOptions = {
  ...storeOptions,
  copy: {
    type: 'boolean',
    default: false,
    describe: 'give the runtime an id of its own, for a copy that lives beside the original',
  },
} as const;

interface StoreCommand {
  json: boolean;
  plugin: string[] | undefined;
  config: string | undefined;
}

const STORE =
  'The store is that of serve with the same --plugin, --config and plugin options (default: fs-store).';

const aFile = <T>(command: Argv<T>) =>
  command.positional('file', { type: 'string', demandOption: true, describe: 'path of the archive' });

const importing = (argv: Argv<StoreCommand>, alternatives: Alternatives, name: string) => {
  alternatives.set(...optionNames(importOptions), '--plugin', '--config', '--<plugin>.<option>', '--json');
  return aFile(argv)
    .options(importOptions)
    .example(`$0 ${name} monday.archive --name restored`, '')
    .example(`$0 --plugin postgres-store ${name} monday.archive --postgres-store.urlFile pg.url`, '')
    .epilogue(`${STORE} After an interruption, repeat the command.`);
};

/** Defines the commands for archives of whole runtimes: `export`, `import`, `backup`, `restore` and `verify`. */
export const archiveCommands = (
  command: Argv<StoreCommand>,
  pluginOptions: PluginOptions,
  alternatives: Alternatives,
  output: Output,
) =>
  command
    .command(
      'export <file>',
      'Write everything that a runtime keeps to one file, while it is not running',
      (exporting) => {
        alternatives.set(
          ...optionNames(storeOptions),
          '--plugin',
          '--config',
          '--<plugin>.<option>',
          '--json',
        );
        return aFile(exporting)
          .options(storeOptions)
          .example('$0 export monday.archive', '')
          .example('$0 --plugin postgres-store export monday.archive --postgres-store.urlFile pg.url', '')
          .epilogue(STORE);
      },
      async (given) =>
        (await import('../commands/archive.ts')).exportStore({ ...given, pluginOptions }, output),
    )
    .command(
      'import <file>',
      'Fill an empty store with everything in a file of export or backup, and check it',
      (command) => importing(command, alternatives, 'import'),
      async (given) =>
        (await import('../commands/archive.ts')).importStore({ ...given, pluginOptions }, output),
    )
    .command(
      'restore <file>',
      'Do the same as import, with a file of backup',
      (command) => importing(command, alternatives, 'restore'),
      async (given) =>
        (await import('../commands/archive.ts')).importStore({ ...given, pluginOptions }, output),
    )
    .command(
      'backup <file>',
      'Write everything that a running runtime keeps at this moment to one file',
      (backup) => {
        alternatives.set(...optionNames(clientOptions), '--json');
        return aFile(backup)
          .options(clientOptions)
          .example('$0 backup monday.archive', '')
          .epilogue(
            'It needs a token with the permission admin for all Workers. Fill an empty store with: restore <file>',
          );
      },
      async (given) => (await import('../commands/backup.ts')).backup(given, output),
    )
    .command(
      'verify <file>',
      'Check that an archive is whole, and say what it holds',
      (verifying) => {
        alternatives.set('--json');
        return aFile(verifying).example('$0 verify monday.archive', '');
      },
      async (given) => (await import('../commands/archive.ts')).verifyArchive(given, output),
    );
