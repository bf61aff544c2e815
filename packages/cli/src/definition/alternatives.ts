/**
 * The words that may come next on the command line, so that an error can list them. Each command sets its own while yargs
 * walks down the commands.
 */
export class Alternatives {
  #names: readonly string[];

  /** `commands` are the first words that a command line may have. */
  constructor(commands: readonly string[]) {
    this.#names = commands;
  }

  readonly set = (...names: readonly string[]): void => {
    this.#names = names;
  };

  get names(): readonly string[] {
    return this.#names;
  }

  get text(): string {
    return this.#names.join(', ');
  }

  /** True if a command comes next, false if options and arguments do. */
  get areCommands(): boolean {
    return this.#names[0]?.startsWith('-') === false;
  }
}

/** Returns the names of options as a person types them. */
export const optionNames = (options: object): string[] =>
  Object.keys(options).map((name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
