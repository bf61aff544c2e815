/** What the words so far allow, so that an error can name it. Builders keep it as yargs walks down the commands. */
export class Alternatives {
  #names: readonly string[] = [
    ...['serve', 'workers', 'send', 'attach', 'events', 'transcript', 'status', 'diagnostics'],
    ...['doctor', 'legacy', 'acp', 'completion'],
  ];

  /** To be given to each command as it is chosen. */
  readonly are = (...names: readonly string[]): void => {
    this.#names = names;
  };

  get names(): readonly string[] {
    return this.#names;
  }

  get text(): string {
    return this.#names.join(', ');
  }

  /** Whether a command comes next; else options and what a command takes. */
  get areCommands(): boolean {
    return this.#names[0]?.startsWith('-') === false;
  }
}

/** As they are typed. */
export const optionNames = (options: object): string[] =>
  Object.keys(options).map((name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
