import { resolve } from 'node:path';
import type { Logger, RuntimeError } from '@worker-runtime/core';
import { SecretFile } from '@worker-runtime/core/plugin-kit';
import { Client } from 'pg';
import { failureOf, unavailable } from './failure.ts';
import { type UrlSource, urlProblem } from './url.ts';

/** The place to which the URLs of a file lead, for all stores and memberships of this process that use the file. */
interface SharedPlace {
  users: number;
  /** The host, port and database of the first connection; null before it. */
  place: string | null;
}

const places = new Map<string, SharedPlace>();

const refuse = (message: string): RuntimeError =>
  unavailable(`The file of postgres-store.urlFile ${message}`);

/** Returns the host, port and database of a URL, as the driver reads it. @throws STORE_UNAVAILABLE the driver cannot read it */
const placeOf = (url: string): string => {
  try {
    const { host, port, database } = new Client({ connectionString: url });
    return JSON.stringify([host, port, database]);
  } catch (error) {
    throw failureOf(error);
  }
};

/**
 * The URL of a database, from an option or from a file, which is read again for each connection. Another role, password or TLS setting
 * in the file applies to the next connection. A URL that leads to another place is refused as long as the file is in use: a store whose
 * connections lead to two databases would read the lines of another one.
 */
export class DatabaseUrl {
  readonly #url: string | null;
  readonly #file: SecretFile<string> | null;
  readonly #path: string;
  readonly #shared: SharedPlace;
  #isReleased = false;

  constructor(source: UrlSource, log: Logger) {
    this.#url = 'url' in source ? source.url : null;
    this.#path = 'file' in source ? resolve(source.file) : '';
    this.#file =
      this.#url === null ? new SecretFile(this.#path, (text) => this.#valid(text.trim()), refuse, log) : null;
    this.#shared = places.get(this.#path) ?? { users: 0, place: null };
    if (this.#file === null) return;
    this.#shared.users += 1;
    places.set(this.#path, this.#shared);
  }

  /** Returns the URL for the next connection. @throws STORE_UNAVAILABLE its file cannot be used */
  async current(): Promise<string> {
    return this.#url ?? (await this.#file?.read()) ?? '';
  }

  /** Notes that a connection was made. @throws STORE_UNAVAILABLE the first one led to another place */
  connected(url: string): void {
    if (this.#file === null) return;
    this.#assertPlace(url);
    this.#shared.place ??= placeOf(url);
  }

  /** Ends the use of the file. */
  release(): void {
    if (this.#file === null || this.#isReleased) return;
    this.#isReleased = true;
    this.#shared.users -= 1;
    if (this.#shared.users === 0) places.delete(this.#path);
  }

  #valid(url: string): string {
    const problem = urlProblem(url);
    if (problem !== null) throw unavailable(`The URL in the file of postgres-store.urlFile ${problem}`);
    this.#assertPlace(url);
    return url;
  }

  #assertPlace(url: string): void {
    if (this.#shared.place !== null && placeOf(url) !== this.#shared.place)
      throw refuse('names another host, port or database than at the start: restart to use it');
  }
}
