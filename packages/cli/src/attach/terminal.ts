import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** The input and output of an interactive command. */
export interface Terminal {
  readonly input: Readable & { readonly isTTY?: boolean };
  readonly output: Writable;
  /** Calls back on Ctrl-C when it arrives as a signal and not as a key. Returns a function that stops this. */
  onInterrupt(callback: () => void): () => void;
}

export const standardTerminal: Terminal = {
  // a getter, because even access to process.stdin opens standard input
  get input() {
    return process.stdin;
  },
  get output() {
    return process.stdout;
  },
  onInterrupt: (callback) => {
    process.on('SIGINT', callback);
    return () => process.off('SIGINT', callback);
  },
};

/** Reads lines and writes text. On a terminal it also shows a prompt, which it removes before it writes text. */
export class Screen {
  readonly isInteractive: boolean;
  readonly lines: AsyncIterableIterator<string>;
  readonly #terminal: Terminal;
  readonly #readline: Interface;
  readonly #stopListening: () => void;
  #isPrompting = false;

  /** `onInterrupt` is called on Ctrl-C. */
  constructor(terminal: Terminal, onInterrupt: () => void) {
    const { input, output } = terminal;
    this.#terminal = terminal;
    this.isInteractive = input.isTTY === true;
    this.#readline = createInterface({
      input,
      prompt: '> ',
      ...(this.isInteractive && { output, terminal: true }),
    });
    this.#readline.on('SIGINT', onInterrupt);
    this.#stopListening = terminal.onInterrupt(onInterrupt);
    // created at once, because readline discards lines that arrive before there is an iterator
    this.lines = this.#readline[Symbol.asyncIterator]();
  }

  /** Writes text, and shows the prompt again after a complete line. */
  write(text: string): void {
    if (text === '') return;
    const { output } = this.#terminal;
    if (this.#isPrompting) output.write('\r\u001b[2K');
    this.#isPrompting = false;
    output.write(text);
    if (text.endsWith('\n')) this.prompt();
  }

  /** Resolves when there is room for more text. */
  async room(): Promise<void> {
    const { output } = this.#terminal;
    if (output.writableNeedDrain) await once(output, 'drain');
  }

  /** Shows the prompt. */
  prompt(): void {
    if (!this.isInteractive || this.#isPrompting) return;
    this.#isPrompting = true;
    this.#readline.prompt(true);
  }

  /** Records that a typed line has taken the place of the prompt. */
  lineEntered(): void {
    this.#isPrompting = false;
  }

  close(): void {
    this.#stopListening();
    if (this.#isPrompting) this.#terminal.output.write('\n');
    this.#isPrompting = false;
    this.#readline.close();
  }
}
