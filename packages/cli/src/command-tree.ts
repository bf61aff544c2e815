import yargs, { type Argv } from 'yargs';
import type { Terminal } from './attach/terminal.ts';
import { Alternatives } from './definition/alternatives.ts';
import { usageMessage } from './definition/usage-message.ts';
import { usageError } from './failure.ts';
import type { Output } from './output.ts';
import type { PluginOptions } from './plugin-option.ts';

/** The commands that make a runtime, or its store, from plugins. */
const WITH_PLUGINS = 'export import restore serve host backend'.split(' ');

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

/** The parts of a command line from which commands are defined. */
interface Definitions {
  readonly root: Argv<{ json: boolean; plugin: string[] | undefined; config: string | undefined }>;
  readonly pluginOptions: PluginOptions;
  readonly alternatives: Alternatives;
  readonly output: Output;
  readonly terminal: Terminal;
}

/**
 * All commands, in the order of the help, with the file that defines them. Only the files of the asked command are loaded, because a
 * command takes less time than loading all of them.
 */
const COMMANDS: readonly (readonly [
  names: string,
  define: (definitions: Definitions) => Promise<unknown>,
])[] = [
  [
    'serve',
    async ({ root, pluginOptions, alternatives }) =>
      (await import('./definition/serve.ts')).serveCommand(root, pluginOptions, alternatives),
  ],
  [
    'host hosts runtimes drain',
    async ({ root, pluginOptions, alternatives, output }) =>
      (await import('./definition/cluster.ts')).clusterCommands(root, pluginOptions, alternatives, output),
  ],
  [
    'backend link login logout policy',
    async ({ root, pluginOptions, alternatives, output }) =>
      (await import('./definition/backend.ts')).backendCommands(root, pluginOptions, alternatives, output),
  ],
  [
    'export import restore backup verify',
    async ({ root, pluginOptions, alternatives, output }) =>
      (await import('./definition/archive.ts')).archiveCommands(root, pluginOptions, alternatives, output),
  ],
  [
    'doctor',
    async ({ root, pluginOptions, alternatives, output }) =>
      (await import('./definition/doctor.ts')).doctorCommand(root, pluginOptions, alternatives, output),
  ],
  [
    'identity',
    async ({ root, alternatives, output }) =>
      (await import('./definition/identity.ts')).identityCommand(root, alternatives, output),
  ],
  [
    'workers',
    async ({ root, alternatives, output }) =>
      (await import('./definition/workers.ts')).workersCommands(root, alternatives, output),
  ],
  [
    'send wait requests file events transcript status diagnostics',
    async ({ root, alternatives, output }) =>
      (await import('./definition/conversation.ts')).conversationCommands(root, alternatives, output),
  ],
  [
    'attach',
    async ({ root, alternatives, output, terminal }) =>
      (await import('./definition/attach.ts')).attachCommand(root, alternatives, output, terminal),
  ],
  [
    'top',
    async ({ root, alternatives, output, terminal }) =>
      (await import('./definition/top.ts')).topCommand(root, alternatives, output, terminal),
  ],
  [
    'postgres',
    async ({ root, alternatives, output }) =>
      (await import('./definition/postgres.ts')).postgresCommands(root, alternatives, output),
  ],
  [
    'legacy',
    async ({ root, alternatives, output }) =>
      (await import('./definition/legacy.ts')).legacyCommands(root, alternatives, output),
  ],
  [
    'acp',
    async ({ root, alternatives, output }) =>
      (await import('./definition/acp.ts')).acpCommand(root, alternatives, output),
  ],
];

/** Defines the commands that a command line names, or all of them if it names none. */
const defineCommands = async (argv: readonly string[], definitions: Definitions): Promise<void> => {
  const asked = COMMANDS.filter(([names]) => names.split(' ').some((name) => argv.includes(name)));
  for (const [, define] of asked.length > 0 ? asked : COMMANDS) await define(definitions);
};

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
  const alternatives = new Alternatives([...COMMANDS.flatMap(([names]) => names.split(' ')), 'completion']);
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
      if (WITH_PLUGINS.includes(String(given._[0]))) return;
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
  await defineCommands(argv, { root, pluginOptions, alternatives, output, terminal });
  root.completion('completion', 'Print a script that completes commands and Workers in bash or zsh');
  await root.parseAsync();
};
