import { once } from 'node:events';
import type { Interface } from 'node:readline';
import type { Readable } from 'node:stream';

/** Makes a terminal mark what is pasted; see "Bracketed Paste Mode" in xterm's Control Sequences. */
export const MARK_PASTES = '\u001b[?2004h';
export const DO_NOT_MARK_PASTES = '\u001b[?2004l';

/** The inputs that a person can bring back: as many as readline keeps lines. */
const KEPT_INPUTS = 30;

/**
 * Yields what a person types, one input at a time. The lines of a pasted text are one input, together with the rest of the line that
 * ends with Enter. A line that ends with a backslash continues in the next one.
 * The keys for earlier lines bring back whole inputs.
 */
export class TypedInputs implements AsyncIterable<string> {
  readonly #readline: Interface;
  readonly #inputs: string[] = [];
  #lines: string[] = [];
  /** Complete inputs, the newest first. */
  #earlier: string[] = [];
  /** The lines that readline brings back. It adds each line, and this class replaces them by whole inputs. */
  #history: string[] = [];
  #isPasting = false;
  #isClosed = false;
  #wake: () => void = () => {};

  constructor(readline: Interface, input: Readable) {
    this.#readline = readline;
    input.on('keypress', (_, { name }: { readonly name?: string }) => {
      if (name === 'paste-start') this.#isPasting = true;
      if (name === 'paste-end') this.#isPasting = false;
    });
    readline.on('history', (history) => {
      this.#history = history;
      this.#offerEarlier();
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

  #add(typed: string): void {
    // newer versions of Node separate the lines of an input that was brought back so
    const line = typed.replaceAll('\r', '\n');
    const isContinued = line.endsWith('\\') && !this.#isPasting;
    this.#lines.push(isContinued ? line.slice(0, -1) : line);
    if (this.#isPasting) return;
    if (isContinued) {
      this.#readline.setPrompt('… ');
      this.#readline.prompt();
      return;
    }
    this.#readline.setPrompt('> ');
    const input = this.#lines.join('\n');
    this.#inputs.push(input);
    this.#lines = [];
    if (input.trim() !== '' && input !== this.#earlier[0])
      this.#earlier = [input, ...this.#earlier].slice(0, KEPT_INPUTS);
    this.#offerEarlier();
    this.#wake();
  }

  #offerEarlier(): void {
    this.#history.splice(0, this.#history.length, ...this.#earlier);
  }
}
