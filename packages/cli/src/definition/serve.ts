import type { Argv } from 'yargs';
import { wholeNumber } from '../option-value.ts';
import type { PluginOptions } from '../plugin-option.ts';
import { type Alternatives, optionNames } from './alternatives.ts';
import { replaceOption } from './replace-option.ts';

const serveOptions = {
  name: { type: 'string', requiresArg: true, describe: 'name of the runtime (default: "default")' },
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
    describe: 'short for --http.tokenFile: access tokens and their permissions; required beyond loopback',
  },
  console: {
    type: 'boolean',
    describe: 'also serve the console, a web page, at / (loopback only, without access tokens)',
  },
  ...replaceOption,
  'log-level': {
    type: 'string',
    requiresArg: true,
    describe: 'debug, info (default), warn, error or silent',
  },
} as const;

/** The main plugin options, and the other sources of options. */
const pluginHelp = [
  'Plugin options: --fs-store.dir, --fs-store.durability, --postgres-store.urlFile, --http.host, --http.port, --http.tokenFile, --limits.<limit>.',
  'Options can also be set by variables (WORKER_RUNTIME_FS_STORE_DIR) and in the settings file ({ "fs-store": { "dir": … } }).',
  'Flags override variables, and variables override the settings file.',
].join('\n');

/** Defines the command `serve`. */
export const serveCommand = (
  command: Argv<{ json: boolean; plugin: string[] | undefined; config: string | undefined }>,
  pluginOptions: PluginOptions,
  alternatives: Alternatives,
) =>
  command.command(
    'serve',
    'Run a runtime in this process and serve it over HTTP',
    (serve) => {
      alternatives.set(
        ...optionNames(serveOptions),
        '--plugin',
        '--config',
        '--<plugin>.<option>',
        '--limits.<limit>',
      );
      return serve
        .options(serveOptions)
        .example('$0 serve', 'stores Workers in files, listens on port 8787, has no engine')
        .example(
          '$0 --plugin fs-store --plugin echo serve --port 0',
          'with the demonstration engine, on a free port',
        )
        .example(
          '$0 --plugin fs-store --plugin echo serve --console',
          'with pages for people, in the browser',
        )
        .example('$0 serve --replace', 'the next version: it continues when the running server stops')
        .example('$0 --plugin ./audit.js serve --audit.file log.txt', 'a plugin of your own, with an option')
        .epilogue(pluginHelp);
    },
    async (given) => {
      const { serve } = await import('../commands/serve.ts');
      await serve({ ...given, tokenFile: given['token-file'], logLevel: given['log-level'], pluginOptions });
    },
  );
