/** Explains to the operator why a runtime did not start. */
import { resolve } from 'node:path';
import { RuntimeError } from '@worker-runtime/core';
import { EXIT, Failure } from './failure.ts';
import type { PluginOptions } from './plugin-option.ts';

/** Codes that mean a wrong command line rather than a fault of the machine or the store. */
const USAGE_CODES = new Set([
  'INVALID_REQUEST',
  'PLUGIN_UNKNOWN',
  'PLUGIN_CONFLICT',
  'CONFIG_UNSUPPORTED',
  'ENGINE_UNKNOWN',
]);

/** Returns the absolute directory of `fs-store`, or null if the runtime has no such store. */
export const storeFolder = (options: PluginOptions): string | null => {
  const dir = options['fs-store']?.dir;
  return typeof dir === 'string' ? resolve(dir) : null;
};

/** Joins the messages of an error and its causes in one line. The operator may see causes, which can name paths. */
export const messageWithCauses = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const message = error instanceof RuntimeError ? `${error.code}: ${error.message}` : error.message;
  return error.cause === undefined ? message : `${message}: ${messageWithCauses(error.cause)}`;
};

/** Returns the path that an error is about, and what the operator can do. */
const adviceOf = ({ code, details }: RuntimeError, options: PluginOptions, whenLocked: string): string => {
  const folder = storeFolder(options);
  const file =
    details.option === 'tokenFile' || details.option === 'issuerFile'
      ? options.http?.[details.option]
      : undefined;
  if (code === 'STORE_LOCKED' && folder !== null) return ` (${folder}); ${whenLocked}`;
  if (typeof file === 'string') return ` (${resolve(file)})`;
  if (details.reason === 'EADDRINUSE')
    return `; to see if a runtime uses it, run: worker-runtime status --url http://127.0.0.1:${String(details.port)}`;
  return '';
};

/** `whenLocked` says what to do if another process has the store open. */
export const startFailure = (
  error: unknown,
  options: PluginOptions,
  whenLocked = 'use another --name or --fs-store.dir',
): Failure => {
  if (error instanceof Failure) return error;
  const isUsageError = error instanceof RuntimeError && USAGE_CODES.has(error.code);
  const advice = error instanceof RuntimeError ? adviceOf(error, options, whenLocked) : '';
  return new Failure(isUsageError ? EXIT.usage : EXIT.failed, messageWithCauses(error) + advice, {
    cause: error,
  });
};
