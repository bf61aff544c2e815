import { type Logger, RuntimeError } from '@worker-runtime/core';
import { Redactor, SecretFile } from '@worker-runtime/core/plugin-kit';
import type { KeySource } from './options.ts';

/** The least length of a secret to redact. Replacing shorter values would garble ordinary text. */
const MIN_CHARS = 8;

/** Reads keys, and redacts every key that it has read: providers often quote a key that they refuse. */
export class Secrets extends Redactor {
  readonly #log: Logger;
  readonly #files = new Map<string, SecretFile<string>>();

  constructor(log: Logger) {
    super();
    this.#log = log;
  }

  /**
   * Reads the key of `owner`. Returns null if its source is not configured.
   * @throws ENGINE_UNAVAILABLE the key is missing; the public message does not name the source
   */
  async read(source: KeySource, owner: string): Promise<string | null> {
    if (source.apiKeyEnv === undefined && source.apiKeyFile === undefined) return null;
    try {
      const key = await this.#keyOf(source);
      this.addSecret(key);
      return key;
    } catch (cause) {
      throw new RuntimeError(
        'ENGINE_UNAVAILABLE',
        `The key of ${owner} is missing; the log of the runtime names its source`,
        { cause },
      );
    }
  }

  /** Redacts a value from now on, unless it is too short. */
  addSecret(secret: string): void {
    for (const text of [secret, secret.trim()]) if (text.length >= MIN_CHARS) this.add(text, '[secret]');
  }

  /** A variable takes precedence over a file. @throws Error the key is missing */
  async #keyOf({ apiKeyEnv, apiKeyFile: path }: KeySource): Promise<string> {
    const value = (apiKeyEnv === undefined ? '' : (process.env[apiKeyEnv] ?? '')).trim();
    if (value !== '') return value;
    if (path === undefined) throw new Error(`the variable ${apiKeyEnv} is not set`);
    const file = this.#files.get(path) ?? keyFile(path, this.#log);
    this.#files.set(path, file);
    return file.read();
  }
}

const keyFile = (path: string, log: Logger): SecretFile<string> => {
  const refuse = (message: string): Error => new Error(`${path} ${message}`);
  const parse = (text: string): string => {
    const key = text.trim();
    if (key === '') throw refuse('is empty');
    return key;
  };
  return new SecretFile(path, parse, refuse, log);
};
