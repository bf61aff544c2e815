import { RuntimeError } from '@worker-runtime/core';
import { readOwnedFile } from '@worker-runtime/core/plugin-kit';
import { EXIT, Failure, usageError } from '../failure.ts';
import type { Output } from '../output.ts';
import { messageWithCauses } from '../start-failure.ts';

export interface MigrateFlags {
  readonly urlFile: string | undefined;
  readonly grant: string | undefined;
  readonly json: boolean;
}

/** Returns the URL, which is never an argument, because other users of the machine can read arguments. */
export const urlOf = async (file: string | undefined): Promise<string> => {
  const variable = process.env.WORKER_RUNTIME_POSTGRES_URL;
  if (file === undefined && variable !== undefined) return variable;
  if (file === undefined)
    throw usageError('give the URL of the database with --url-file or WORKER_RUNTIME_POSTGRES_URL');
  return (
    await readOwnedFile(file, 'access', (message) => usageError(`--url-file: ${file} ${message}`))
  ).trim();
};

/** Migrates the tables of the store. @throws Failure they cannot be migrated; nothing was changed */
export const migrateTables = async (
  { urlFile, grant, json }: MigrateFlags,
  output: Output,
): Promise<void> => {
  const url = await urlOf(urlFile);
  const { migrate } = await import('@worker-runtime/plugin-postgres-store');
  try {
    const { from, to } = await migrate({ url, ...(grant !== undefined && { grantTo: grant }) });
    const change = from === to ? `have version ${to} already` : `have version ${to} now, after ${from}`;
    output.print(json ? JSON.stringify({ from, to }) : `the tables ${change}`);
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    const isUsage = error.code === 'INVALID_REQUEST';
    throw new Failure(isUsage ? EXIT.usage : EXIT.failed, messageWithCauses(error), { cause: error });
  }
};
