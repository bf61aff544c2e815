/** What the words so far allow, so that an error can name it. Builders keep it as yargs walks down the commands. */
export class Alternatives {
  #text = 'serve, workers, send, attach, events, transcript, status, completion';

  /** To be given to each command as it is chosen. */
  readonly are = (...names: readonly string[]): void => {
    this.#text = names.join(', ');
  };

  get text(): string {
    return this.#text;
  }
}

/** As they are typed. */
export const optionNames = (options: object): string[] =>
  Object.keys(options).map((name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
