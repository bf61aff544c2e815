import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Terminal } from './standard-terminal.ts';
import { DO_NOT_MARK_PASTES, MARK_PASTES, TypedInputs } from './typed-inputs.ts';

/** Reads inputs and writes text. On a terminal it also shows a prompt, which it removes before it writes text. */
export class Screen {
  readonly isInteractive: boolean;
  /** The lines of a pipe, or what a person types. */
  readonly inputs: AsyncIterable<string>;
  readonly #terminal: Terminal;
  readonly #readline: Interface;
  readonly #stopListening: () => void;
  #isPrompting = false;
  /** True after Ctrl-D or the end of the input, from when newer versions of Node refuse to show a prompt. */
  #hasInputEnded = false;
  /** True while the text on the last line continues. */
  #isPartial = false;
  /** Text that waits for the end of its line, because a person types. */
  #held = '';

  /** `onInterrupt` is called on Ctrl-C, unless it discards the lines of an input that a person has begun. */
  constructor(terminal: Terminal, onInterrupt: () => void) {
    const { input, output } = terminal;
    this.#terminal = terminal;
    this.isInteractive = input.isTTY === true;
    this.#readline = createInterface({
      input,
      prompt: '> ',
      ...(this.isInteractive && { output, terminal: true }),
    });
    // created at once, because readline discards lines that arrive before there is a listener
    const typed = this.isInteractive ? new TypedInputs(this.#readline, input) : null;
    this.inputs = typed ?? this.#readline[Symbol.asyncIterator]();
    const interrupted = (): void => {
      if (typed?.discard() !== true) onInterrupt();
    };
    this.#readline.on('SIGINT', interrupted);
    this.#readline.on('close', () => {
      this.#hasInputEnded = true;
    });
    this.#stopListening = terminal.onInterrupt(interrupted);
    if (typed) output.write(MARK_PASTES);
    // before readline, which shows the key
    if (typed) input.prependListener('keypress', this.#onKey);
  }

  /** Writes text, and shows the prompt again after a complete line. */
  write(text: string): void {
    if (text === '') return;
    const waiting = this.#held + text;
    // what is typed has a line of its own, above which only whole lines fit
    const isTyping = this.#isPrompting && this.#readline.line !== '';
    const shown = isTyping ? waiting.slice(0, waiting.lastIndexOf('\n') + 1) : waiting;
    this.#held = waiting.slice(shown.length);
    if (shown === '') return;
    const { output } = this.#terminal;
    // an input that was brought back may have several lines
    const rows = isTyping ? this.#readline.getCursorPos().rows : 0;
    if (this.#isPrompting) output.write(`\r${rows > 0 ? `\u001b[${rows}A` : ''}\u001b[J`);
    this.#isPrompting = false;
    // readline goes up as many lines before it draws the input again
    output.write(shown + '\n'.repeat(rows));
    this.#isPartial = !shown.endsWith('\n');
    if (!this.#isPartial) this.prompt();
  }

  /** Gives a person who begins to type a line of its own, while a text continues. */
  readonly #onKey = (): void => {
    if (!this.#isPartial || this.#isPrompting) return;
    this.#terminal.output.write('\n');
    this.#isPartial = false;
    this.prompt();
  };

  /** Resolves when there is room for more text. */
  async room(): Promise<void> {
    const { output } = this.#terminal;
    if (output.writableNeedDrain) await once(output, 'drain');
  }

  /** Shows the prompt, unless the input has ended. */
  prompt(): void {
    if (!this.isInteractive || this.#isPrompting || this.#hasInputEnded) return;
    this.#isPrompting = true;
    this.#readline.prompt(true);
  }

  /** Records that what was typed has taken the place of the prompt. */
  inputEntered(): void {
    this.#isPrompting = false;
  }

  close(): void {
    this.#stopListening();
    this.#terminal.input.off('keypress', this.#onKey);
    if (this.isInteractive) this.#terminal.output.write(DO_NOT_MARK_PASTES);
    if (this.#isPrompting) this.#terminal.output.write('\n');
    this.#isPrompting = false;
    this.#readline.close();
  }
}
