import { PERMISSIONS } from '@worker-runtime/core/scope';
import type { Argv } from 'yargs';
import { wholeNumber } from '../option-value.ts';
import type { Output } from '../output.ts';
import type { PluginOptions } from '../plugin-option.ts';
import { type Alternatives, optionNames } from './alternatives.ts';
import { clientOptions } from './client-option.ts';
import { replaceOption } from './replace-option.ts';

const dataDirOption = {
  'data-dir': {
    type: 'string',
    requiresArg: true,
    describe: 'folder of the files (default: worker-runtime in your data folder)',
  },
} as const;

const personOptions = {
  as: { type: 'string', requiresArg: true, describe: 'name of the person (default: you)' },
  group: { type: 'array', string: true, requiresArg: true, describe: 'a group of the person (repeatable)' },
} as const;

const backendOptions = {
  ...dataDirOption,
  host: { type: 'string', requiresArg: true, describe: 'name or address to listen on (default: 127.0.0.1)' },
  port: {
    type: 'string',
    requiresArg: true,
    describe: 'port to listen on (default: 8787)',
    coerce: wholeNumber('--port', 0, 65_535),
  },
  ...replaceOption,
  'log-level': {
    type: 'string',
    requiresArg: true,
    describe: 'debug, info (default), warn, error or silent',
  },
} as const;

const linkOptions = { ...dataDirOption, ...personOptions } as const;

const loginOptions = {
  url: { ...clientOptions.url, describe: 'address of the backend' },
  permission: {
    type: 'string',
    requiresArg: true,
    choices: PERMISSIONS,
    describe: 'the most that commands may do (default: what you may do)',
  },
} as const;

const logoutOptions = { url: loginOptions.url } as const;

const explainOptions = {
  ...personOptions,
  as: { ...personOptions.as, demandOption: true, describe: 'name of the person' },
  workspace: { type: 'string', requiresArg: true, default: 'default', describe: 'id of the workspace' },
  policy: {
    type: 'string',
    requiresArg: true,
    default: 'policy.json',
    describe: 'the policy file',
  },
} as const;

/** Defines the commands of a backend: `backend`, `link`, `login`, `logout` and `policy`. */
export const backendCommands = (
  command: Argv<{ json: boolean; plugin: string[] | undefined; config: string | undefined }>,
  pluginOptions: PluginOptions,
  alternatives: Alternatives,
  output: Output,
) =>
  command
    .command(
      'backend',
      'Run workspaces in this process and serve them to people and programs',
      (backend) => {
        alternatives.set(...optionNames(backendOptions), '--plugin', '--config', '--<plugin>.<option>');
        return backend
          .options(backendOptions)
          .example('$0 --plugin echo backend', 'one workspace with the demonstration engine; prints a link')
          .example('$0 --config backend.config.ts backend', 'the workspaces of a file')
          .example(
            '$0 --plugin echo backend --replace',
            'the next version: it continues when the running backend stops',
          )
          .epilogue(
            'The settings file is backend.config.{ts,js,json}. --plugin and --<plugin>.<option> apply to the only workspace without such a file.',
          );
      },
      async (given) => {
        const { backend } = await import('../commands/backend.ts');
        await backend({ ...given, dataDir: given['data-dir'], logLevel: given['log-level'], pluginOptions });
      },
    )
    .command(
      'link',
      'Print a link with which a person logs in once to the backend on this machine',
      (link) => {
        alternatives.set(...optionNames(linkOptions), '--json');
        return link
          .options(linkOptions)
          .example('$0 link', 'for yourself')
          .example('$0 link --as ada --group team-a', 'for another person, who gets what the policy grants');
      },
      async (given) => {
        const { printLink } = await import('../commands/link.ts');
        await printLink({ ...given, dataDir: given['data-dir'], groups: given.group }, output);
      },
    )
    .command(
      'login',
      'Get an API token for the commands of this machine from a backend elsewhere: confirm a code in any browser',
      (login) => {
        alternatives.set(...optionNames(loginOptions), '--json');
        return login
          .options(loginOptions)
          .example('$0 login --url https://agents.example', '')
          .epilogue('The token is valid for 30 days, in a file that only you can read.');
      },
      async (given) => {
        const { login } = await import('../commands/login.ts');
        await login(given, output);
      },
    )
    .command(
      'logout',
      'End the API token of `login`, and forget it',
      (logout) => {
        alternatives.set(...optionNames(logoutOptions), '--json');
        return logout.options(logoutOptions).example('$0 logout --url https://agents.example', '');
      },
      async (given) => {
        const { logout } = await import('../commands/login.ts');
        await logout(given, output);
      },
    )
    .command('policy', 'Explain a policy', (policy) => {
      alternatives.set('explain');
      return policy
        .command(
          'explain',
          'Print what a person may do in a workspace, and the rule behind it',
          (explain) => {
            alternatives.set(...optionNames(explainOptions), '--json');
            return explain
              .options(explainOptions)
              .example('$0 policy explain --as ada --group team-a --workspace acme', '');
          },
          async (given) => {
            const { explainPolicy } = await import('../commands/policy.ts');
            await explainPolicy({ ...given, groups: given.group ?? [] }, output);
          },
        )
        .demandCommand(1, 'no command given after "policy"');
    });
