import yargs from 'yargs';
import type { Terminal } from './attach/terminal.ts';
import { acpCommand } from './definition/acp.ts';
import { Alternatives } from './definition/alternatives.ts';
import { attachCommand } from './definition/attach.ts';
import { conversationCommands } from './definition/conversation.ts';
import { doctorCommand } from './definition/doctor.ts';
import { legacyCommands } from './definition/legacy.ts';
import { serveCommand } from './definition/serve.ts';
import { wrongCall } from './definition/usage-message.ts';
import { workersCommands } from './definition/workers.ts';
import { misuse } from './failure.ts';
import type { Output } from './output.ts';
import type { PluginOptions } from './plugin-option.ts';

const globalOptions = {
  plugin: {
    type: 'array',
    string: true,
    requiresArg: true,
    describe: 'serve: a plugin, by short name, npm package or path; again for more',
  },
  config: {
    type: 'string',
    requiresArg: true,
    describe: 'serve: a file of settings (default: worker-runtime.config.{ts,js,json})',
  },
  json: { type: 'boolean', default: false, describe: 'answers for programs' },
} as const;

/** What may be said more than once. yargs makes a list of everything that is. */
const MANY = new Set(['_', 'plugin', 'label', 'tool', 'claim', 'claim-read', 'claimRead']);

/** All commands, as yargs knows them: it finds the one that is meant, and runs it. @throws Failure */
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
    .usage(
      '$0 [--plugin NAME]… [--config FILE] <command>\n\nKeeps long-lived Workers running, and talks to them.',
    )
    .parserConfiguration({
      // a Worker may be called 007, and yargs makes NaN of a number with a slip: values are read in value.ts
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
      // what a command throws keeps its meaning; a YError is yargs' own word for a wrong call, also from a `coerce`
      if (error !== undefined && error.name !== 'YError') throw error;
      throw misuse(wrongCall(message, alternatives, argv));
    })
    .options(globalOptions)
    .middleware((given) => {
      const twice = Object.entries(given).find(([name, value]) => Array.isArray(value) && !MANY.has(name));
      if (twice !== undefined) throw misuse(`--${twice[0]} may be given once`);
      if (given._[0] === 'serve') return;
      if (given._[0] === 'doctor' && given.plugin === undefined && given.config === undefined) return;
      if (given.plugin !== undefined || given.config !== undefined || Object.keys(pluginOptions).length > 0)
        throw misuse('plugins, their options and --config belong to the command serve');
    })
    .demandCommand(1, 'Which command?')
    .example('$0 --plugin fs-store --plugin echo serve', '')
    .example('$0 workers create ada --engine echo', '')
    .example('$0 send ada "hello" --wait', '')
    .epilogue('Exit codes: 0 ok, 1 failed, 2 wrong call, 3 not reachable, 4 refused.');
  serveCommand(root, pluginOptions, alternatives);
  doctorCommand(root, pluginOptions, alternatives, output);
  workersCommands(root, alternatives, output);
  conversationCommands(root, alternatives, output);
  attachCommand(root, alternatives, output, terminal);
  legacyCommands(root, alternatives, output);
  acpCommand(root, alternatives, output);
  root.completion('completion', 'Print the script that completes commands and Workers in bash or zsh');
  await root.parseAsync();
};
