import { Conversation } from '@worker-runtime/core/views';
import { Dialogue } from '../attach/dialogue.ts';
import { Narrator } from '../attach/narrator.ts';
import type { Terminal } from '../attach/standard-terminal.ts';
import { BARE, styleFor } from '../attach/style.ts';
import { Screen } from '../attach/terminal.ts';
import { type ClientCommand, type ClientFlags, runClientCommand } from '../client-command.ts';
import { clientFailure, isUnsent } from '../client-failure.ts';
import { speakerOf, textOf } from '../display-text.ts';
import { EXIT, Failure } from '../failure.ts';
import type { Output } from '../output.ts';
import { printable } from '../printable.ts';

/** The number of recent items that a person sees first. */
const RECENT_ITEMS = 20;

/** The visit of a person or a pipe to a Worker. Connects the terminal, the dialogue and the narrator. */
class Visit {
  readonly #command: ClientCommand;
  readonly #url: string;
  readonly #workerId: string;
  readonly #screen: Screen;
  readonly #narrator: Narrator;
  #dialogue: Dialogue | null = null;
  readonly #ended = new AbortController();

  constructor(
    command: ClientCommand,
    { worker, url }: ClientFlags & { readonly worker: string },
    terminal: Terminal,
  ) {
    this.#command = command;
    this.#url = url;
    this.#workerId = worker;
    this.#screen = new Screen(terminal, () => void this.#dialogue?.cancel());
    const style = this.#screen.isInteractive ? styleFor(terminal.output) : BARE;
    this.#narrator = new Narrator((event) => this.#dialogue?.isOwn(event) === true, style);
  }

  /** Resolves when the input ends or the Worker is deleted. @throws for a pipe, also the errors of `Dialogue.settled` */
  async run(): Promise<void> {
    try {
      const { client } = this.#command;
      const conversation = await Conversation.load(client, this.#workerId, {
        limit: RECENT_ITEMS,
        keptItems: 0,
      });
      const dialogue = new Dialogue({
        client,
        workerId: this.#workerId,
        conversation,
        remark: (text) => this.#remark(text),
        onError: (error) => this.#reportError(error),
      });
      this.#dialogue = dialogue;
      this.#showState(conversation);
      await Promise.all([this.#readInputs(dialogue), this.#watch(conversation, dialogue)]);
    } finally {
      this.#close();
    }
  }

  /** Shows a person the current state. */
  #showState({ items, requests, status }: Conversation): void {
    if (this.#command.isJson || !this.#screen.isInteractive) return;
    const spoken = items.map((item) => this.#narrator.line(speakerOf(item), textOf(item)));
    const questions = requests.map(({ prompt, options }) => this.#narrator.question(prompt, options));
    this.#screen.write([...spoken, ...questions].join(''));
    this.#remark(`${this.#workerId} is ${status}; Ctrl-C cancels its run, Ctrl-D leaves`);
  }

  /** Shows what the Worker does, across restarts of the runtime. */
  async #watch(conversation: Conversation, dialogue: Dialogue): Promise<void> {
    const { client, isJson } = this.#command;
    const { signal } = this.#ended;
    const after = conversation.cursor ?? 'start';
    const onConnection = (lost: Error | null): void =>
      this.#remark(lost === null ? 'connected again' : `no connection (${lost.message}); trying again`);
    for await (const item of client.observe(this.#workerId, {
      after,
      acrossRestarts: true,
      signal,
      onConnection,
    })) {
      // render first: once the dialogue has applied an input, it no longer recognizes the input as its own
      const pieces = conversation.apply(item);
      const text = isJson ? `${JSON.stringify(item)}\n` : this.#narrator.render(item, pieces);
      if (item.type === 'event') dialogue.apply(item.event);
      this.#screen.write(text);
      await this.#screen.room();
    }
    this.#close();
  }

  /** Submits inputs until they end. A pipe also ends at the first refused line; it then waits for answers. */
  async #readInputs(dialogue: Dialogue): Promise<void> {
    const { isInteractive, inputs } = this.#screen;
    try {
      for await (const input of inputs) {
        this.#screen.inputEntered();
        if (!(await dialogue.submit(input)) && !isInteractive) break;
        this.#screen.prompt();
      }
      if (!isInteractive && !this.#ended.signal.aborted) await dialogue.settled();
    } finally {
      this.#ended.abort();
    }
  }

  #close(): void {
    this.#ended.abort();
    this.#screen.close();
  }

  /** Shows an error to a person, who may try again. A pipe reports it when it ends. */
  #reportError(error: unknown): void {
    if (!this.#screen.isInteractive) return;
    const failure = clientFailure(error, this.#url);
    const message = failure instanceof Error ? failure.message : String(failure);
    const isUnreachable = failure instanceof Failure && failure.exitCode === EXIT.notReachable;
    if (isUnreachable) this.#remark(`${isUnsent(error) ? 'not sent' : 'may not have been sent'}: ${message}`);
    else this.#remark(message);
  }

  #remark(text: string): void {
    if (this.#command.isJson || !this.#screen.isInteractive) this.#command.remark(text);
    else this.#screen.write(this.#narrator.remark(printable(text)));
  }
}

/** Talks to a Worker until Ctrl-D, the end of the input, or the deletion of the Worker. */
export const attach = (
  flags: ClientFlags & { readonly worker: string },
  output: Output,
  terminal: Terminal,
): Promise<void> => runClientCommand(flags, output, (command) => new Visit(command, flags, terminal).run());
