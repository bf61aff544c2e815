import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** Where an interactive command reads and writes. */
export interface Terminal {
  readonly input: Readable & { readonly isTTY?: boolean };
  readonly output: Writable;
  /** Calls back on Ctrl-C where that is no key but a signal. Returns how to stop that. */
  interrupted(callback: () => void): () => void;
}

export const standardTerminal: Terminal = {
  // touched only by whoever reads: to look at standard input is to open it
  get input() {
    return process.stdin;
  },
  get output() {
    return process.stdout;
  },
  interrupted: (callback) => {
    process.on('SIGINT', callback);
    return () => process.off('SIGINT', callback);
  },
};

/** Lines in, text out, with a prompt that steps aside for text where a person is at the keys. */
export class Screen {
  readonly isInteractive: boolean;
  readonly lines: AsyncIterableIterator<string>;
  readonly #terminal: Terminal;
  readonly #readline: Interface;
  readonly #deafen: () => void;
  #isPrompting = false;

  /** `interrupted` is called on Ctrl-C. */
  constructor(terminal: Terminal, interrupted: () => void) {
    const { input, output } = terminal;
    this.#terminal = terminal;
    this.isInteractive = input.isTTY === true;
    this.#readline = createInterface({
      input,
      prompt: '> ',
      ...(this.isInteractive && { output, terminal: true }),
    });
    this.#readline.on('SIGINT', interrupted);
    this.#deafen = terminal.interrupted(interrupted);
    // asked for at once: what is typed before somebody listens would be lost
    this.lines = this.#readline[Symbol.asyncIterator]();
  }

  say(text: string): void {
    if (text === '') return;
    const { output } = this.#terminal;
    if (this.#isPrompting) output.write('\r\u001b[2K');
    this.#isPrompting = false;
    output.write(text);
    if (text.endsWith('\n')) this.prompt();
  }

  /** Shows that a line may be typed. */
  prompt(): void {
    if (!this.isInteractive || this.#isPrompting) return;
    this.#isPrompting = true;
    this.#readline.prompt(true);
  }

  /** A line was typed: the prompt belongs to it. */
  entered(): void {
    this.#isPrompting = false;
  }

  close(): void {
    this.#deafen();
    if (this.#isPrompting) this.#terminal.output.write('\n');
    this.#isPrompting = false;
    this.#readline.close();
  }
}
