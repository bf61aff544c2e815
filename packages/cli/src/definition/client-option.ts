import type { Argv } from 'yargs';
import { wholeNumber } from '../option-value.ts';

export const DEFAULT_URL = 'http://127.0.0.1:8787';

export const clientOptions = {
  url: {
    type: 'string',
    requiresArg: true,
    default: process.env.WORKER_RUNTIME_URL ?? DEFAULT_URL,
    defaultDescription: `WORKER_RUNTIME_URL, else ${DEFAULT_URL}`,
    describe: 'address of the runtime',
  },
  token: {
    type: 'string',
    requiresArg: true,
    describe:
      'access token; prefer WORKER_RUNTIME_TOKEN, because other users of this machine can read arguments',
  },
  runtime: {
    type: 'string',
    requiresArg: true,
    describe: 'id of the runtime, where an address has several (default: the only one)',
  },
} as const;

export const pageOptions = {
  limit: {
    type: 'string',
    requiresArg: true,
    describe: 'maximum number of items',
    coerce: wholeNumber('--limit', 1, 1_000_000),
  },
  after: { type: 'string', requiresArg: true, describe: 'continue after this cursor' },
} as const;

export const logPageOptions = {
  ...pageOptions,
  after: {
    type: 'string',
    requiresArg: true,
    describe: 'continue after this cursor, or after an event by its number: @123',
  },
} as const;

export const reasonOption = {
  reason: { type: 'string', requiresArg: true, describe: 'reason to record in the log' },
} as const;

export const keyOption = {
  'idempotency-key': {
    type: 'string',
    requiresArg: true,
    describe: 'makes a retry safe: a command with the same key takes effect once',
  },
} as const;

export const aWorker = <T>(command: Argv<T>) =>
  command.positional('worker', { type: 'string', demandOption: true, describe: 'id of the Worker' });
