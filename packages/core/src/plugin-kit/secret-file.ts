import type { Logger } from '../contracts/logger.ts';
import { readOwnedFile } from './owned-file.ts';

/**
 * A file with a secret that this process sends to others: a password, a key, a URL with either. It is read again at each use, so that
 * a changed secret needs no restart. While the file is missing, half-written, not protected or not valid, the last valid content stays
 * in use, and the log says why.
 */
export class SecretFile<T> {
  readonly #path: string;
  readonly #parse: (text: string) => T;
  readonly #refuse: (message: string) => Error;
  readonly #log: Logger;
  #last: { readonly content: T } | null = null;
  /** The reason that the log has; null if the last read was valid. */
  #refusal: string | null = null;

  /** `parse` throws if the text is not valid. `refuse` makes the error of a file that cannot be read, or that other users can. */
  constructor(path: string, parse: (text: string) => T, refuse: (message: string) => Error, log: Logger) {
    this.#path = path;
    this.#parse = parse;
    this.#refuse = refuse;
    this.#log = log;
  }

  /** Returns the content of now, or else the last valid one. @throws the error of `parse` or `refuse`: no content was valid so far */
  async read(): Promise<T> {
    try {
      const content = this.#parse(await readOwnedFile(this.#path, 'access', this.#refuse));
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
}
