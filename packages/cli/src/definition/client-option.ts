import type { Argv } from 'yargs';
import { wholeNumber } from '../option-value.ts';

export const DEFAULT_URL = 'http://127.0.0.1:8787';

export const clientOptions = {
  url: {
    type: 'string',
    requiresArg: true,
    default: process.env.WORKER_RUNTIME_URL ?? DEFAULT_URL,
    defaultDescription: `WORKER_RUNTIME_URL, else ${DEFAULT_URL}`,
    describe: 'where the runtime listens',
  },
  token: {
    type: 'string',
    requiresArg: true,
    describe:
      'sent as a bearer token; rather set WORKER_RUNTIME_TOKEN, since others on this machine can read arguments',
  },
} as const;

export const pageOptions = {
  limit: {
    type: 'string',
    requiresArg: true,
    describe: 'how many at most',
    coerce: wholeNumber('--limit', 1, 1_000_000),
  },
  after: { type: 'string', requiresArg: true, describe: 'continue after this cursor' },
} as const;

export const reasonOption = {
  reason: { type: 'string', requiresArg: true, describe: 'why; kept in the log' },
} as const;

export const keyOption = {
  'idempotency-key': {
    type: 'string',
    requiresArg: true,
    describe: 'a retry with the same key happens once',
  },
} as const;

export const aWorker = <T>(command: Argv<T>) =>
  command.positional('worker', { type: 'string', demandOption: true, describe: 'its workerId' });
