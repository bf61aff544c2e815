import { unwatchFile, watchFile } from 'node:fs';
import { type Logger, RuntimeError } from '@worker-runtime/core';

/** The time between two looks at the file. Notifications of the system do not report files behind replaced links. */
const LOOK_MS = 500;

/** Reads a file again when it changes and on request. Content that is not valid is logged, and changes nothing. */
export class WatchedFile {
  readonly #path: string;
  readonly #name: string;
  readonly #apply: () => Promise<object>;
  readonly #log: Logger;
  #reading: Promise<void> = Promise.resolve();
  readonly #changed = (): void => void this.readAgain();

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
    this.#reading = this.#reading.then(async () => {
      const fields = { file: this.#path };
      try {
        const changes = await this.#apply();
        this.#log.info({ ...fields, ...changes }, `the ${this.#name} were read again`);
      } catch (error) {
        this.#log.error(
          { ...fields, err: RuntimeError.from(error) },
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
