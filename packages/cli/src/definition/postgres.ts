import type { Argv } from 'yargs';
import type { Output } from '../output.ts';
import { type Alternatives, optionNames } from './alternatives.ts';

const migrateOptions = {
  'url-file': {
    type: 'string',
    requiresArg: true,
    describe: 'file with the URL of the database, with a role that may create tables',
  },
  grant: { type: 'string', requiresArg: true, describe: 'role of the runtimes, which gets what it needs' },
} as const;

/** Defines the commands below `postgres`. */
export const postgresCommands = (
  command: Argv<{ json: boolean }>,
  alternatives: Alternatives,
  output: Output,
) =>
  command.command('postgres', 'Prepare a PostgreSQL database for postgres-store', (postgres) => {
    alternatives.set('migrate');
    return postgres
      .command(
        'migrate',
        'Create the tables of the store, or bring them to the version of this program',
        (migrate) => {
          alternatives.set(...optionNames(migrateOptions), '--json');
          return migrate
            .options(migrateOptions)
            .example('$0 postgres migrate --url-file owner.url --grant worker', '')
            .epilogue(
              'Without --url-file, the URL is WORKER_RUNTIME_POSTGRES_URL. Runtimes may have the store open at the same time.',
            );
        },
        async (argv) => (await import('../commands/postgres.ts')).migrateTables(argv, output),
      )
      .demandCommand(1, 'no command given after "postgres"');
  });
