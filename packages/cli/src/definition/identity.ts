import { PERMISSIONS } from '@worker-runtime/core/scope';
import type { Argv } from 'yargs';
import type { Output } from '../output.ts';
import { type Alternatives, optionNames } from './alternatives.ts';

const identityOptions = {
  key: {
    type: 'string',
    requiresArg: true,
    demandOption: true,
    describe: 'file of the private key, created if there is none',
  },
  issuer: {
    type: 'string',
    requiresArg: true,
    demandOption: true,
    describe: 'name of the issuer, such as the address of a backend',
  },
  permission: {
    type: 'string',
    requiresArg: true,
    choices: PERMISSIONS,
    default: 'admin',
    describe: 'the most that its tokens may permit',
  },
} as const;

/** Defines the command `identity`. */
export const identityCommand = (
  command: Argv<{ json: boolean }>,
  alternatives: Alternatives,
  output: Output,
) =>
  command.command(
    'identity',
    'Print the public key of a backend, for the file of issuers of a runtime',
    (identity) => {
      alternatives.set(...optionNames(identityOptions));
      return identity
        .options(identityOptions)
        .example('$0 identity --key signing.jwk --issuer https://agents.example > issuers.json', '');
    },
    async ({ key, issuer, permission }) => {
      const { printIdentity } = await import('../commands/identity.ts');
      await printIdentity({ key, issuer, permission: [permission] }, output);
    },
  );
