import yargs from 'yargs';
import type { Terminal } from './attach/terminal.ts';
import { acpCommand } from './definition/acp.ts';
import { Alternatives } from './definition/alternatives.ts';
import { archiveCommands } from './definition/archive.ts';
import { attachCommand } from './definition/attach.ts';
import { backendCommands } from './definition/backend.ts';
import { clusterCommands } from './definition/cluster.ts';
import { conversationCommands } from './definition/conversation.ts';
import { doctorCommand } from './definition/doctor.ts';
import { identityCommand } from './definition/identity.ts';
import { legacyCommands } from './definition/legacy.ts';
import { postgresCommands } from './definition/postgres.ts';
import { serveCommand } from './definition/serve.ts';
import { topCommand } from './definition/top.ts';
import { usageMessage } from './definition/usage-message.ts';
import { workersCommands } from './definition/workers.ts';
import { usageError } from './failure.ts';
import type { Output } from './output.ts';
import type { PluginOptions } from './plugin-option.ts';

/** The commands that make a runtime, or its store, from plugins. */
const WITH_PLUGINS = 'export import serve host backend'.split(' ');

const globalOptions = {
  plugin: {
    type: 'array',
    string: true,
    requiresArg: true,
    describe: `${WITH_PLUGINS.join(', ')}: load a plugin, by short name, npm package or path (repeatable)`,
  },
  config: {
    type: 'string',
    requiresArg: true,
    describe: `${WITH_PLUGINS.join(', ')}: settings file (default: worker-runtime.config.{ts,js,json})`,
  },
  json: { type: 'boolean', default: false, describe: 'print JSON, for programs' },
} as const;

/** Options that may be repeated. yargs makes an array of every option that is. */
const REPEATABLE = new Set([
  '_',
  'plugin',
  'names',
  'workers',
  'group',
  'label',
  'tool',
  'type',
  'file',
  'claim',
  'claim-read',
  'claimRead',
]);

/** Defines all commands for yargs, which finds the requested one and runs it. @throws Failure */
export const runCommand = async (
  argv: readonly string[],
  version: string,
  pluginOptions: PluginOptions,
  output: Output,
  terminal: Terminal,
): Promise<void> => {
  const alternatives = new Alternatives();
  const root = yargs([...argv])
    .scriptName('worker-runtime')
    .usage('$0 [--plugin NAME]… [--config FILE] <command>\n\nRuns long-lived Workers and talks to them.')
    .parserConfiguration({
      // option-value.ts reads numbers: a workerId may be 007, and yargs turns a mistyped number into NaN
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'greedy-arrays': false,
      'dot-notation': false,
    })
    .locale('en')
    .version(version)
    .help()
    .wrap(Math.min(110, process.stdout.columns ?? 110))
    .exitProcess(false)
    .strict()
    .strictCommands()
    .fail((message: string, error?: Error) => {
      // an error of a command passes unchanged; a YError is a usage error that yargs found, also in a `coerce`
      if (error !== undefined && error.name !== 'YError') throw error;
      throw usageError(usageMessage(message, alternatives, argv));
    })
    .options(globalOptions)
    .middleware((given) => {
      const twice = Object.entries(given).find(
        ([name, value]) => Array.isArray(value) && !REPEATABLE.has(name),
      );
      if (twice !== undefined) throw usageError(`--${twice[0]} may be given only once`);
      if ([...WITH_PLUGINS, 'restore'].includes(String(given._[0]))) return;
      if (given._[0] === 'doctor' && given.plugin === undefined && given.config === undefined) return;
      if (given.plugin !== undefined || given.config !== undefined || Object.keys(pluginOptions).length > 0)
        throw usageError(
          `--plugin, --config and plugin options apply only to the commands ${WITH_PLUGINS.join(', ')}`,
        );
    })
    .demandCommand(1, 'no command given')
    .example('$0 --plugin fs-store --plugin echo serve', '')
    .example('$0 workers create ada --engine echo', '')
    .example('$0 send ada "hello" --wait', '')
    .epilogue(
      'Exit codes: 0 success, 1 failure, 2 usage error, 3 runtime not reachable, 4 refused by the runtime.',
    );
  serveCommand(root, pluginOptions, alternatives);
  clusterCommands(root, pluginOptions, alternatives, output);
  backendCommands(root, pluginOptions, alternatives, output);
  archiveCommands(root, pluginOptions, alternatives, output);
  doctorCommand(root, pluginOptions, alternatives, output);
  identityCommand(root, alternatives, output);
  workersCommands(root, alternatives, output);
  conversationCommands(root, alternatives, output);
  attachCommand(root, alternatives, output, terminal);
  topCommand(root, alternatives, output, terminal);
  postgresCommands(root, alternatives, output);
  legacyCommands(root, alternatives, output);
  acpCommand(root, alternatives, output);
  root.completion('completion', 'Print a script that completes commands and Workers in bash or zsh');
  await root.parseAsync();
};
