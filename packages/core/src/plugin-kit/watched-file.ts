import { unwatchFile, watchFile } from 'node:fs';
import type { Logger } from '../contracts/logger.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';

/** The time between two looks at the file. Notifications of the system do not report files behind replaced links. */
const LOOK_MS = 500;

/**
 * A file that decides who may do what. It is read again when it changes and on request. Content that is not valid is logged, and changes
 * nothing.
 */
export class WatchedFile {
  readonly #path: string;
  readonly #name: string;
  readonly #apply: () => Promise<object>;
  readonly #log: Logger;
  #reading: Promise<void> = Promise.resolve();
  /** The reason of the last refusal, if the content is not valid. */
  #refusal: string | null = null;
  readonly #changed = (): void => void this.#read(false);

  /** `name` is what the log calls the content. `apply` reads the file, replaces the content and returns fields for the log. */
  constructor(path: string, name: string, apply: () => Promise<object>, log: Logger) {
    this.#path = path;
    this.#name = name;
    this.#apply = apply;
    this.#log = log;
    watchFile(path, { interval: LOOK_MS, persistent: false }, this.#changed);
  }

  /** Resolves when the content of this moment applies, or is refused in the log. Calls apply one after another. */
  readAgain(): Promise<void> {
    return this.#read(true);
  }

  #read(isRequested: boolean): Promise<void> {
    this.#reading = this.#reading.then(async () => {
      const fields = { file: this.#path };
      try {
        const changes = await this.#apply();
        this.#refusal = null;
        this.#log.info({ ...fields, ...changes }, `the ${this.#name} were read again`);
      } catch (cause) {
        const { code, message: reason } = RuntimeError.from(cause);
        // one replacement of a file can be noticed several times
        const isKnown = reason === this.#refusal && !isRequested;
        this.#refusal = reason;
        // the stack of a mistake in a file says nothing to its author
        const fault = code === 'INTERNAL' ? { err: cause } : { code, reason };
        if (!isKnown)
          this.#log.error(
            { ...fields, ...fault },
            `the ${this.#name} are unchanged: their file is not valid`,
          );
      }
    });
    return this.#reading;
  }

  close(): void {
    unwatchFile(this.#path, this.#changed);
  }
}
