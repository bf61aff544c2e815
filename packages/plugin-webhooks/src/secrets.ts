import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { RuntimeError } from '@worker-runtime/core';
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
  #keys: readonly Buffer[] = [];

  constructor(settings: EndpointSettings) {
    this.#settings = settings;
  }

  /** Reads the secrets. @throws INVALID_REQUEST they are missing or not valid; the message does not show them */
  async read(): Promise<void> {
    const { secret, name } = this.#settings;
    const content =
      'file' in secret
        ? await readFile(secret.file, 'utf8').catch(() => '')
        : (process.env[secret.variable] ?? '');
    const keys = keysIn(content);
    if (!keys)
      throw new RuntimeError(
        'INVALID_REQUEST',
        `The secret of webhooks.endpoints.${name} must be whsec_ and base64 of at least 24 bytes, or two of them`,
      );
    this.#keys = keys;
  }

  /** Returns the signatures of a message, one for each secret. A file that is no longer valid changes nothing. */
  async sign(signed: string): Promise<string> {
    await this.read().catch(() => undefined);
    return this.#keys
      .map((key) => `v1,${createHmac('sha256', key).update(signed).digest('base64')}`)
      .join(' ');
  }
}
