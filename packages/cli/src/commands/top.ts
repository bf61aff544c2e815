import { emitKeypressEvents } from 'node:readline';
import type { WorkerSummary } from '@worker-runtime/core';
import type { Terminal } from '../attach/standard-terminal.ts';
import { type ClientCommand, type ClientFlags, runClientCommand } from '../client-command.ts';
import { clientFailure } from '../client-failure.ts';
import { usageError } from '../failure.ts';
import type { Output } from '../output.ts';
import { printableLine } from '../printable.ts';
import { clip } from '../text-width.ts';
import { WorkerBoard } from '../top/worker-board.ts';
import { attach } from './attach.ts';

/** The time between two drawings at most, so that the shown durations of runs are current. */
const REDRAW_MS = 1_000;
/** The time between two drawings at least: a busy runtime changes thousands of times a second. */
const SETTLE_MS = 100;

const ENTER_SCREEN = '\u001b[?1049h\u001b[?25l';
const LEAVE_SCREEN = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';
const reverse = (line: string): string => `\u001b[7m${line}\u001b[27m`;

const HELP = 'q leave · ↑↓ select · Enter attach · c cancel · s stop · r resume';

interface Key {
  readonly name?: string;
  readonly ctrl?: boolean;
}

/** The screen of a person who watches all Workers. */
class Top {
  readonly #command: ClientCommand;
  readonly #flags: ClientFlags;
  readonly #output: Output;
  readonly #terminal: Terminal;
  readonly #board = new WorkerBoard();
  readonly #ended = new AbortController();
  #message = HELP;
  /** The Worker whose stop waits for a confirmation. */
  #toStop: string | null = null;
  #isAttached = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(command: ClientCommand, flags: ClientFlags, output: Output, terminal: Terminal) {
    this.#command = command;
    this.#flags = flags;
    this.#output = output;
    this.#terminal = terminal;
  }

  /** Resolves when the person leaves. */
  async run(): Promise<void> {
    const { input, output } = this.#terminal;
    const onKey = (_: unknown, key: Key): void => void this.#onKey(key);
    const stopListening = this.#terminal.onInterrupt(() => {
      if (!this.#isAttached) this.#ended.abort();
    });
    emitKeypressEvents(input);
    input.on('keypress', onKey);
    output.on('resize', this.#drawSoon);
    const ticks = setInterval(this.#drawSoon, REDRAW_MS);
    this.#enter();
    try {
      const { signal } = this.#ended;
      const onConnection = (lost: Error | null): void =>
        this.#say(lost === null ? HELP : `no connection (${lost.message}); trying again · q leave`);
      for await (const item of this.#command.client.watch({ acrossRestarts: true, signal, onConnection })) {
        this.#board.apply(item);
        this.#drawSoon();
      }
    } finally {
      clearInterval(ticks);
      if (this.#timer) clearTimeout(this.#timer);
      output.off('resize', this.#drawSoon);
      input.off('keypress', onKey);
      stopListening();
      this.#leave();
      input.pause();
    }
  }

  #enter(): void {
    const { input, output } = this.#terminal;
    input.setRawMode?.(true);
    input.resume();
    output.write(ENTER_SCREEN);
    this.#draw();
  }

  #leave(): void {
    const { input, output } = this.#terminal;
    output.write(LEAVE_SCREEN);
    input.setRawMode?.(false);
  }

  readonly #drawSoon = (): void => {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#draw();
    }, SETTLE_MS);
  };

  #draw(): void {
    if (this.#isAttached || this.#ended.signal.aborted) return;
    const { columns = 80, rows = 24 } = this.#terminal.output;
    const lines = [...this.#board.lines(columns, rows - 1, reverse), clip(this.#message, columns)];
    this.#terminal.output.write(
      `${HOME}${lines.map((line) => `${line}${CLEAR_LINE}`).join('\r\n')}${CLEAR_BELOW}`,
    );
  }

  async #onKey({ name, ctrl }: Key): Promise<void> {
    if (this.#isAttached) return;
    const worker = this.#board.selected;
    const toStop = this.#toStop;
    this.#toStop = null;
    if (toStop !== null) {
      if (name === 'y') await this.#act(toStop, (client) => client.stopWorker(toStop));
      else this.#say(HELP);
    } else if (name === 'q' || (ctrl && (name === 'c' || name === 'd'))) this.#ended.abort();
    else if (name === 'up' || name === 'k') this.#move(-1);
    else if (name === 'down' || name === 'j') this.#move(1);
    else if (name === 'pageup') this.#move(-10);
    else if (name === 'pagedown') this.#move(10);
    else if (worker !== null) await this.#onKeyFor(worker, name);
  }

  async #onKeyFor({ workerId }: WorkerSummary, name: string | undefined): Promise<void> {
    if (name === 'return') await this.#attach(workerId);
    else if (name === 'c') await this.#act(workerId, (client) => client.cancelRun(workerId));
    else if (name === 'r') await this.#act(workerId, (client) => client.resumeWorker(workerId));
    else if (name === 's') {
      this.#toStop = workerId;
      this.#say(`Stop ${workerId}? y confirms`);
    }
  }

  #move(by: number): void {
    this.#board.move(by);
    this.#draw();
  }

  #say(message: string): void {
    this.#message = printableLine(message);
    this.#draw();
  }

  /** Performs a command. The watch shows its effect; the message says why there is none. */
  async #act(workerId: string, act: (client: ClientCommand['client']) => Promise<object>): Promise<void> {
    try {
      const outcome = await act(this.#command.client);
      this.#say('changed' in outcome && outcome.changed === false ? `${workerId}: nothing to do` : HELP);
    } catch (error) {
      this.#say(this.#textOf(error));
    }
  }

  /** Shows the conversation of a Worker until the person leaves it. */
  async #attach(worker: string): Promise<void> {
    this.#isAttached = true;
    this.#leave();
    try {
      await attach({ ...this.#flags, worker }, this.#output, this.#terminal);
      this.#message = HELP;
    } catch (error) {
      this.#message = printableLine(this.#textOf(error));
    }
    this.#isAttached = false;
    this.#enter();
  }

  #textOf(error: unknown): string {
    const failure = clientFailure(error, this.#flags.url);
    return failure instanceof Error ? failure.message : String(failure);
  }
}

/** Shows all Workers live until the person leaves. @throws Failure there is no terminal, or no runtime */
export const top = (flags: ClientFlags, output: Output, terminal: Terminal): Promise<void> => {
  if (flags.json || terminal.input.isTTY !== true)
    throw usageError('top needs a terminal; for programs there is: worker-runtime workers list --json');
  return runClientCommand(flags, output, (command) => new Top(command, flags, output, terminal).run());
};
