import { once } from 'node:events';
import type { Interface } from 'node:readline';
import type { Readable } from 'node:stream';

/** Makes a terminal mark what is pasted; see "Bracketed Paste Mode" in xterm's Control Sequences. */
export const MARK_PASTES = '\u001b[?2004h';
export const DO_NOT_MARK_PASTES = '\u001b[?2004l';

/**
 * Yields what a person types, one input at a time. The lines of a pasted text are one input, together with the rest of the line that
 * ends with Enter. A line that ends with a backslash goes on in the next one.
 */
export class TypedInputs implements AsyncIterable<string> {
  readonly #readline: Interface;
  readonly #inputs: string[] = [];
  #lines: string[] = [];
  #isPasting = false;
  #isClosed = false;
  #wake: () => void = () => {};

  constructor(readline: Interface, input: Readable) {
    this.#readline = readline;
    input.on('keypress', (_, { name }: { readonly name?: string }) => {
      if (name === 'paste-start') this.#isPasting = true;
      if (name === 'paste-end') this.#isPasting = false;
    });
    readline.on('line', (line) => this.#add(line));
    void once(readline, 'close').then(() => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  /** True while the input in progress has complete lines. */
  get isContinued(): boolean {
    return this.#lines.length > 0;
  }

  /** Discards the lines of the input in progress. Returns false if there are none. */
  discard(): boolean {
    const hadLines = this.isContinued;
    this.#lines = [];
    return hadLines;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    for (;;) {
      const input = this.#inputs.shift();
      if (input !== undefined) yield input;
      else if (this.#isClosed) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }

  #add(line: string): void {
    const isContinued = line.endsWith('\\') && !this.#isPasting;
    this.#lines.push(isContinued ? line.slice(0, -1) : line);
    if (this.#isPasting) return;
    if (isContinued) {
      this.#readline.setPrompt('… ');
      this.#readline.prompt();
      return;
    }
    this.#readline.setPrompt('> ');
    this.#inputs.push(this.#lines.join('\n'));
    this.#lines = [];
    this.#wake();
  }
}
