import yargs, { type Argv } from 'yargs';
import type { Terminal } from './attach/standard-terminal.ts';
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
import { markLiterals, unmarkLiterals, withoutMarks } from './literal-words.ts';
import type { Output } from './output.ts';
import { type PluginOptions, takePluginOptions } from './plugin-option.ts';

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

/** All commands, in the order of the help, with the function that defines them. */
const COMMANDS: readonly (readonly [names: string, define: (definitions: Definitions) => unknown])[] = [
  ['serve', ({ root, pluginOptions, alternatives }) => serveCommand(root, pluginOptions, alternatives)],
  [
    'host hosts runtimes drain',
    ({ root, pluginOptions, alternatives, output }) =>
      clusterCommands(root, pluginOptions, alternatives, output),
  ],
  [
    'backend link login logout policy',
    ({ root, pluginOptions, alternatives, output }) =>
      backendCommands(root, pluginOptions, alternatives, output),
  ],
  [
    'export import restore backup verify',
    ({ root, pluginOptions, alternatives, output }) =>
      archiveCommands(root, pluginOptions, alternatives, output),
  ],
  [
    'doctor',
    ({ root, pluginOptions, alternatives, output }) =>
      doctorCommand(root, pluginOptions, alternatives, output),
  ],
  ['identity', ({ root, alternatives, output }) => identityCommand(root, alternatives, output)],
  ['workers', ({ root, alternatives, output }) => workersCommands(root, alternatives, output)],
  [
    'send wait requests file events transcript status diagnostics',
    ({ root, alternatives, output }) => conversationCommands(root, alternatives, output),
  ],
  [
    'attach',
    ({ root, alternatives, output, terminal }) => attachCommand(root, alternatives, output, terminal),
  ],
  ['top', ({ root, alternatives, output, terminal }) => topCommand(root, alternatives, output, terminal)],
  ['postgres', ({ root, alternatives, output }) => postgresCommands(root, alternatives, output)],
  ['legacy', ({ root, alternatives, output }) => legacyCommands(root, alternatives, output)],
  ['acp', ({ root, alternatives, output }) => acpCommand(root, alternatives, output)],
];

/** Defines the commands that a command line names, or all of them if it names none. */
const defineCommands = (argv: readonly string[], definitions: Definitions): void => {
  const asked = COMMANDS.filter(([names]) => names.split(' ').some((name) => argv.includes(name)));
  for (const [, define] of asked.length > 0 ? asked : COMMANDS) define(definitions);
  // the help of the other commands leaves out what they refuse
  if (asked.length > 0 && !WITH_PLUGINS.some((name) => argv.includes(name)))
    definitions.root.hide('plugin').hide('config');
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
  args: readonly string[],
  version: string,
  output: Output,
  terminal: Terminal,
): Promise<void> => {
  const { rest: argv, options: pluginOptions } = takePluginOptions(args);
  const alternatives = new Alternatives([...COMMANDS.flatMap(([names]) => names.split(' ')), 'completion']);
  const root = yargs([...markLiterals(argv)])
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
      throw usageError(usageMessage(withoutMarks(message), alternatives, argv));
    })
    .options(globalOptions)
    .middleware((given) => {
      unmarkLiterals(given);
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
  defineCommands(argv, { root, pluginOptions, alternatives, output, terminal });
  root.completion('completion', 'Print a script that completes commands and Workers in bash or zsh');
  await root.parseAsync();
};
