import { createHmac } from 'node:crypto';
import { type Logger, RuntimeError } from '@worker-runtime/core';
import { SecretFile } from '@worker-runtime/core/plugin-kit';
import type { EndpointSettings } from './webhooks-options.ts';

/** One or two secrets of at least 24 bytes, as Standard Webhooks asks. */
const SECRET = /^whsec_([A-Za-z0-9+/]{32,}={0,2})$/;

const keysIn = (content: string): readonly Buffer[] | null => {
  const words = content.split(/\s+/).filter((word) => word !== '');
  const keys = words.map((word) => SECRET.exec(word)?.[1]);
  if (keys.length < 1 || keys.length > 2) return null;
  return keys.every((key) => key !== undefined) ? keys.map((key) => Buffer.from(key, 'base64')) : null;
};

/** The secrets of an endpoint, which sign its messages. */
export class Secrets {
  readonly #settings: EndpointSettings;
  readonly #file: SecretFile<readonly Buffer[]> | null;
  #keys: readonly Buffer[] = [];

  constructor(settings: EndpointSettings, log: Logger) {
    const { secret } = settings;
    this.#settings = settings;
    const parse = (text: string): readonly Buffer[] => this.#parse(text);
    const refuse = (message: string): RuntimeError => this.#refuse(message);
    this.#file = 'file' in secret ? new SecretFile(secret.file, parse, refuse, log) : null;
  }

  /** Reads the secrets. @throws INVALID_REQUEST they are missing or not valid; the message does not show them */
  async read(): Promise<void> {
    const { secret } = this.#settings;
    if (this.#file !== null) this.#keys = await this.#file.read();
    else if ('variable' in secret) this.#keys = this.#parse(process.env[secret.variable] ?? '');
  }

  /** Returns the signatures of a message, one for each secret. */
  async sign(signed: string): Promise<string> {
    if (this.#file !== null) this.#keys = await this.#file.read();
    return this.#keys
      .map((key) => `v1,${createHmac('sha256', key).update(signed).digest('base64')}`)
      .join(' ');
  }

  #parse(content: string): readonly Buffer[] {
    const keys = keysIn(content);
    if (keys === null) throw this.#refuse('must be whsec_ and base64 of at least 24 bytes, or two of them');
    return keys;
  }

  #refuse(message: string): RuntimeError {
    const { name } = this.#settings;
    return new RuntimeError('INVALID_REQUEST', `The secret of webhooks.endpoints.${name} ${message}`);
  }
}
