import { readFile } from 'node:fs/promises';
import { Redactor, RuntimeError } from '@worker-runtime/core';
import type { KeySource } from './options.ts';

/** Shorter ones are no secrets, and taking them out would make nonsense of a text. */
const LEAST_CHARS = 8;

/** Reads keys, and takes each that it ever read out of what others say: providers like to quote the key they refuse. */
export class Secrets extends Redactor {
  /**
   * The key, or null where none is named.
   * @throws ENGINE_UNAVAILABLE it is not there; the message does not say where it was looked for
   */
  async read({ apiKeyEnv, apiKeyFile }: KeySource, whose: string): Promise<string | null> {
    if (apiKeyEnv === undefined && apiKeyFile === undefined) return null;
    const missing = (cause: unknown): RuntimeError =>
      new RuntimeError('ENGINE_UNAVAILABLE', `The key of ${whose} is not there`, { cause });
    let key = apiKeyEnv === undefined ? undefined : process.env[apiKeyEnv];
    if (key === undefined && apiKeyFile !== undefined)
      key = await readFile(apiKeyFile, 'utf8').catch((cause: unknown) => {
        throw missing(cause);
      });
    key = key?.trim();
    if (key === undefined || key === '')
      throw missing(new Error(`neither ${apiKeyEnv ?? 'a variable'} nor ${apiKeyFile ?? 'a file'} has it`));
    this.keep(key);
    return key;
  }

  /** A value that is never to be said. */
  keep(secret: string): void {
    if (secret.length >= LEAST_CHARS) this.add(secret, '[secret]');
  }
}
