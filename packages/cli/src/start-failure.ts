/** Why a runtime does not start, as its operator is told. */
import { resolve } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';
import { EXIT, Failure } from './failure.ts';
import type { PluginOptions } from './plugin-option.ts';

/** Errors that say that the call was wrong, and not that the machine or the store is. */
const MISUSE = new Set([
  'INVALID_REQUEST',
  'PLUGIN_UNKNOWN',
  'PLUGIN_CONFLICT',
  'CONFIG_UNSUPPORTED',
  'ENGINE_UNKNOWN',
]);

/** The folder of the files, where they are kept by `fs-store`. */
export const storeFolder = (options: PluginOptions): string | null => {
  const dir = options['fs-store']?.dir;
  return typeof dir === 'string' ? resolve(dir) : null;
};

/** The whole story in one line: whoever starts a runtime is its operator, so causes may be shown. */
const storyOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const message = error instanceof RuntimeError ? `${error.code}: ${error.message}` : error.message;
  return error.cause === undefined ? message : `${message}: ${storyOf(error.cause)}`;
};

/** Which path it is about, and what can be done. */
const wayOutOf = ({ code, details }: RuntimeError, options: PluginOptions): string => {
  const folder = storeFolder(options);
  const tokenFile = options.http?.tokenFile;
  if (code === 'STORE_LOCKED' && folder !== null)
    return ` (${folder}): take another --name or --fs-store.dir`;
  if (details.option === 'tokenFile' && typeof tokenFile === 'string') return ` (${resolve(tokenFile)})`;
  if (details.reason === 'EADDRINUSE')
    return `; is a runtime served there already? See: worker-runtime status --url http://127.0.0.1:${String(details.port)}; or take another --port`;
  return '';
};

export const startFailure = (error: unknown, options: PluginOptions): Failure => {
  if (error instanceof Failure) return error;
  const isMisuse = error instanceof RuntimeError && MISUSE.has(error.code);
  const wayOut = error instanceof RuntimeError ? wayOutOf(error, options) : '';
  return new Failure(isMisuse ? EXIT.usage : EXIT.failed, storyOf(error) + wayOut, { cause: error });
};
