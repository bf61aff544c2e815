import type { Logger } from '../contracts/logger.ts';
import { readOwnedFile } from './owned-file.ts';

/**
 * A file with a secret that this process sends to others: a password, a key, a URL with either. It is read again at each use, so that
 * a changed secret needs no restart. While the file is missing, half-written or not valid, the last valid content stays in use, and the
 * log says why. A file that other users can read is used, because secrets of containers often are such files; the log has a warning.
 */
export class SecretFile<T> {
  readonly #path: string;
  readonly #parse: (text: string) => T;
  readonly #refuse: (message: string) => Error;
  readonly #log: Logger;
  #last: { readonly content: T } | null = null;
  /** The reason that the log has; null if the last read was valid. */
  #refusal: string | null = null;
  #isExposed = false;

  /** `parse` throws if the text is not valid. `refuse` makes the error of a file that cannot be read. */
  constructor(path: string, parse: (text: string) => T, refuse: (message: string) => Error, log: Logger) {
    this.#path = path;
    this.#parse = parse;
    this.#refuse = refuse;
    this.#log = log;
  }

  /** Returns the content of now, or else the last valid one. @throws the error of `parse` or `refuse`: no content was valid so far */
  async read(): Promise<T> {
    try {
      const content = this.#parse(await this.#text());
      this.#last = { content };
      this.#refusal = null;
      return content;
    } catch (error) {
      if (this.#last === null) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      if (reason !== this.#refusal)
        this.#log.error(
          { file: this.#path, reason },
          'the last valid content of a file stays in use: what it has now is not valid',
        );
      this.#refusal = reason;
      return this.#last.content;
    }
  }

  async #text(): Promise<string> {
    let remedy: string | null = null;
    const text = await readOwnedFile(this.#path, 'access', this.#refuse, (message) => {
      remedy = message;
    });
    const wasExposed = this.#isExposed;
    this.#isExposed = remedy !== null;
    if (this.#isExposed && !wasExposed)
      this.#log.warn({ file: this.#path }, `a file with a secret ${remedy}`);
    return text;
  }
}
