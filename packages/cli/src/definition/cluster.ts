import type { Argv } from 'yargs';
import { wholeNumber } from '../option-value.ts';
import type { Output } from '../output.ts';
import type { PluginOptions } from '../plugin-option.ts';
import { type Alternatives, optionNames } from './alternatives.ts';

const DAY_S = 86_400;

const database = {
  'url-file': { type: 'string', requiresArg: true, describe: 'file with the URL of the database' },
} as const;
const wait = {
  wait: {
    type: 'string',
    requiresArg: true,
    describe: 'seconds to wait for the end (default: 600)',
    coerce: wholeNumber('--wait', 0, DAY_S),
  },
} as const;
const hostOptions = {
  name: { type: 'string', requiresArg: true, describe: 'name of the host (default: that of the machine)' },
  address: {
    type: 'string',
    requiresArg: true,
    describe: 'address at which other hosts reach it (default: the one that it listens on)',
  },
  host: { type: 'string', requiresArg: true, describe: 'short for --http.host' },
  port: {
    type: 'string',
    requiresArg: true,
    describe: 'short for --http.port',
    coerce: wholeNumber('--port', 0, 65_535),
  },
  'token-file': { type: 'string', requiresArg: true, describe: 'short for --http.tokenFile' },
  'hand-over': {
    type: 'string',
    requiresArg: true,
    describe: 'seconds for which runs may end when a Runtime is handed over (default: 60)',
    coerce: wholeNumber('--hand-over', 0, DAY_S),
  },
  'log-level': {
    type: 'string',
    requiresArg: true,
    describe: 'debug, info (default), warn, error or silent',
  },
} as const;

const DATABASE = 'Without --url-file, the URL is WORKER_RUNTIME_POSTGRES_URL.';

/** Defines the commands of a cluster: `host`, `hosts`, `runtimes` and `drain`. */
export const clusterCommands = (
  command: Argv<{ json: boolean; plugin: string[] | undefined; config: string | undefined }>,
  pluginOptions: PluginOptions,
  alternatives: Alternatives,
  output: Output,
) =>
  command
    .command(
      'host',
      'Serve a share of the Runtimes of a cluster',
      (host) => {
        alternatives.set(...optionNames(hostOptions), '--plugin', '--config', '--<plugin>.<option>');
        return host
          .options(hostOptions)
          .example(
            '$0 --plugin postgres-store --plugin echo host --postgres-store.urlFile pg.url --address http://10.0.0.5:8787',
            '',
          )
          .epilogue(
            'Plugin options are those of serve. --postgres-store.leaseMs is the silence after which other hosts take over.',
          );
      },
      async (given) => {
        const { serveAsHost } = await import('../commands/host.ts');
        await serveAsHost({
          ...given,
          tokenFile: given['token-file'],
          logLevel: given['log-level'],
          waitS: given['hand-over'] ?? 60,
          pluginOptions,
        });
      },
    )
    .command(
      'hosts',
      'List the hosts of a cluster',
      (hosts) => {
        alternatives.set(...optionNames(database), '--json');
        return hosts.options(database).epilogue(DATABASE);
      },
      async (given) => (await import('../commands/cluster.ts')).listHosts(given, output),
    )
    .command('runtimes', 'Make, list and move the Runtimes of a cluster', (runtimes) => {
      alternatives.set('create', 'list', 'move');
      return runtimes
        .command(
          'create <names..>',
          'Make Runtimes that the hosts of the cluster serve',
          (create) => {
            alternatives.set(...optionNames(database), '--pin-to', '--json');
            return create
              .positional('names', {
                type: 'string',
                array: true,
                demandOption: true,
                describe: 'names of the new Runtimes',
              })
              .options({
                ...database,
                'pin-to': {
                  type: 'string',
                  requiresArg: true,
                  describe: 'name of the only host that may serve them',
                },
              })
              .epilogue(DATABASE);
          },
          async (given) =>
            (await import('../commands/cluster.ts')).createRuntimes(
              { ...given, names: given.names, pinTo: given['pin-to'] },
              output,
            ),
        )
        .command(
          'list',
          'List the Runtimes of a cluster, and their hosts',
          (list) => {
            alternatives.set(...optionNames(database), '--json');
            return list.options(database).epilogue(DATABASE);
          },
          async (given) => (await import('../commands/cluster.ts')).listRuntimes(given, output),
        )
        .command(
          'move <runtime> <host>',
          'Hand over a Runtime to another host',
          (move) => {
            alternatives.set(...optionNames({ ...database, ...wait }), '--json');
            return move
              .positional('runtime', { type: 'string', demandOption: true, describe: 'its name or id' })
              .positional('host', { type: 'string', demandOption: true, describe: 'its name or id' })
              .options({ ...database, ...wait })
              .epilogue(DATABASE);
          },
          async (given) =>
            (await import('../commands/cluster.ts')).moveRuntime(
              { ...given, waitS: given.wait ?? 600 },
              output,
            ),
        )
        .demandCommand(1, 'no command given after "runtimes"');
    })
    .command(
      'drain <host>',
      'Make a host hand over its Runtimes, and wait until it has none',
      (drain) => {
        alternatives.set(...optionNames({ ...database, ...wait }), '--json');
        return drain
          .positional('host', { type: 'string', demandOption: true, describe: 'its name or id' })
          .options({ ...database, ...wait })
          .epilogue(DATABASE);
      },
      async (given) =>
        (await import('../commands/cluster.ts')).drainHost({ ...given, waitS: given.wait ?? 600 }, output),
    );
