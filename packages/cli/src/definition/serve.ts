import type { Argv } from 'yargs';
import { wholeNumber } from '../option-value.ts';
import type { PluginOptions } from '../plugin-option.ts';
import { type Alternatives, optionNames } from './alternatives.ts';

const serveOptions = {
  name: { type: 'string', requiresArg: true, describe: 'which runtime of this user; "default" if left out' },
  host: { type: 'string', requiresArg: true, describe: 'short for --http.host' },
  port: {
    type: 'string',
    requiresArg: true,
    describe: 'short for --http.port',
    coerce: wholeNumber('--port', 0, 65_535),
  },
  'token-file': {
    type: 'string',
    requiresArg: true,
    describe: 'short for --http.tokenFile: who may call, and how far; needed beyond loopback',
  },
  'log-level': {
    type: 'string',
    requiresArg: true,
    describe: 'debug, info (default), warn, error or silent',
  },
} as const;

/** The options of the plugins that come with the command line, and where else options may be said. */
const pluginHelp = [
  'Plugin options: --fs-store.dir, --fs-store.durability, --http.host, --http.port, --http.tokenFile, --limits.<limit>.',
  'The same as WORKER_RUNTIME_FS_STORE_DIR and so on, or in the configuration file: { "fs-store": { "dir": … } }.',
  'Flags win over the environment, the environment over the file.',
].join('\n');

/** `serve` */
export const serveCommand = (
  command: Argv<{ json: boolean; plugin: string[] | undefined; config: string | undefined }>,
  pluginOptions: PluginOptions,
  alternatives: Alternatives,
) =>
  command.command(
    'serve',
    'Run a runtime in this process, and answer over HTTP',
    (serve) => {
      alternatives.are(
        ...optionNames(serveOptions),
        '--plugin',
        '--config',
        '--<plugin>.<option>',
        '--limits.<limit>',
      );
      return serve
        .options(serveOptions)
        .example('$0 serve', 'keeps files, answers on port 8787, has no engine')
        .example(
          '$0 --plugin fs-store --plugin echo serve --port 0',
          'with the demonstration engine, on a free port',
        )
        .example('$0 --plugin ./audit.js serve --audit.file log.txt', 'a plugin of your own and its option')
        .epilogue(pluginHelp);
    },
    async (given) => {
      const { serve } = await import('../commands/serve.ts');
      await serve({ ...given, tokenFile: given['token-file'], logLevel: given['log-level'], pluginOptions });
    },
  );
