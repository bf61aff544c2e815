import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { dataFolder } from './data-folder.ts';

/** The API tokens of `worker-runtime login`, by the origins of their backends. Only the user can read the file. */
const pathOf = (): string => dataFolder('tokens.json', process.env);

const readTokens = (): Readonly<Record<string, unknown>> => {
  try {
    const content: unknown = JSON.parse(readFileSync(pathOf(), 'utf8'));
    return typeof content === 'object' && content !== null ? { ...content } : {};
  } catch {
    // without a file that can be read, the user logs in again
    return {};
  }
};

/** Returns the token for the backend at an address; `undefined` if the user has not logged in there. */
export const keptTokenFor = (url: string): string | undefined => {
  const token = readTokens()[new URL(url).origin];
  return typeof token === 'string' ? token : undefined;
};

/** Keeps a token for the backend at an address; null removes it. */
export const keepToken = (url: string, token: string | null): void => {
  const path = pathOf();
  const { [new URL(url).origin]: _old, ...others } = readTokens();
  const tokens = token === null ? others : { ...others, [new URL(url).origin]: token };
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // a rename replaces the file at once, also for a program that reads it at this moment
  const next = `${path}.${randomUUID()}`;
  writeFileSync(next, `${JSON.stringify(tokens)}\n`, { mode: 0o600 });
  renameSync(next, path);
};
