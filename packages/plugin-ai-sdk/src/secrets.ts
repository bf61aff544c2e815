import { readFile } from 'node:fs/promises';
import { RuntimeError } from '@worker-runtime/core';
import { Redactor } from '@worker-runtime/core/plugin-kit';
import type { KeySource } from './options.ts';

/** The least length of a secret to redact. Replacing shorter values would garble ordinary text. */
const MIN_CHARS = 8;

/** Reads keys, and redacts every key that it has read: providers often quote a key that they refuse. */
export class Secrets extends Redactor {
  /**
   * Reads the key of `owner`. Returns null if its source is not configured.
   * @throws ENGINE_UNAVAILABLE the key is missing; the public message does not name the source
   */
  async read({ apiKeyEnv, apiKeyFile }: KeySource, owner: string): Promise<string | null> {
    if (apiKeyEnv === undefined && apiKeyFile === undefined) return null;
    const missing = (cause: unknown): RuntimeError =>
      new RuntimeError(
        'ENGINE_UNAVAILABLE',
        `The key of ${owner} is missing; the log of the runtime names its source`,
        { cause },
      );
    let key = apiKeyEnv === undefined ? undefined : process.env[apiKeyEnv];
    if (key === undefined && apiKeyFile !== undefined)
      key = await readFile(apiKeyFile, 'utf8').catch((cause: unknown) => {
        throw missing(cause);
      });
    key = key?.trim();
    if (key === undefined || key === '')
      throw missing(
        new Error(
          apiKeyFile === undefined
            ? `the variable ${apiKeyEnv} is not set`
            : `${apiKeyFile} is empty${apiKeyEnv === undefined ? '' : `, and the variable ${apiKeyEnv} is not set`}`,
        ),
      );
    this.addSecret(key);
    return key;
  }

  /** Redacts a value from now on, unless it is too short. */
  addSecret(secret: string): void {
    for (const text of [secret, secret.trim()]) if (text.length >= MIN_CHARS) this.add(text, '[secret]');
  }
}
