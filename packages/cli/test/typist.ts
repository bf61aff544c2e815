import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { Runtime } from '@worker-runtime/core';
import { type ScriptedEngine, scriptedEngine } from '@worker-runtime/core/testing';
import { http } from '@worker-runtime/plugin-http';
import type { ExecutionContext } from 'ava';
import type { Terminal } from '../src/attach/standard-terminal.ts';
import { runCommandLine } from '../src/command-line.ts';

/** The control sequence that begins each drawing of `top`. */
const HOME = '\u001b[H';

/** The prompt, and the control sequence that puts the cursor behind it. */
const PROMPT = '> \u001b[3G';

/** The user of `attach`: a person at a terminal, or a program that writes to a pipe. */
export class Typist {
  readonly code: Promise<number>;
  seen = '';
  remarks = '';
  readonly #input: PassThrough & { readonly isTTY: boolean };
  #interrupt: () => void = () => {};
  #wake: () => void = () => {};

  /** All that was written to the terminal, with its control sequences. */
  written = '';

  constructor(t: ExecutionContext, args: readonly string[], isTTY: boolean, look: object = {}) {
    this.#input = Object.assign(new PassThrough(), { isTTY });
    const output = Object.assign(new PassThrough(), look);
    output.setEncoding('utf8').on('data', (text: string) => {
      this.written += text;
      this.seen += stripVTControlCharacters(text).replace(/\r|> /g, '');
      this.#wake();
    });
    const terminal: Terminal = {
      input: this.#input,
      output,
      onInterrupt: (callback) => {
        this.#interrupt = callback;
        return () => {};
      },
    };
    const remark = (text: string): void => {
      this.remarks += `${text}\n`;
    };
    this.code = runCommandLine(args, { print: () => t.fail(), remark }, terminal);
    t.teardown(() => this.leaves());
  }

  types(line: string): void {
    this.#input.write(`${line}\n`);
  }

  /** Sends keys as a terminal does. */
  presses(keys: string): void {
    this.#input.write(keys);
  }

  interrupts(): void {
    this.#interrupt();
  }

  leaves(): Promise<number> {
    this.#input.end();
    return this.code;
  }

  async sees(text: string): Promise<void> {
    while (!this.seen.includes(text)) await this.#more();
  }

  /** Resolves when the text is on the screen that was drawn last. */
  async seesLast(text: string): Promise<void> {
    const screen = (): string => this.written.slice(this.written.lastIndexOf(HOME));
    while (!screen().includes(text)) await this.#more();
  }

  /** Resolves when the program has shown the prompt, and nothing after it. */
  async isPrompted(): Promise<void> {
    while (!this.written.endsWith(PROMPT)) await this.#more();
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** Starts a runtime with a scripted engine and the Worker `ada`. */
export const serve = async (t: ExecutionContext) => {
  const engine: ScriptedEngine = scriptedEngine();
  const web = http({ port: 0 });
  const runtime = await Runtime.start({
    plugins: [web, { name: 'under-test', apply: (host) => host.useEngine(engine) }],
  });
  t.teardown(() => runtime.stop());
  await runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  const attach = ({ look = {} }: { readonly look?: object } = {}): Typist =>
    new Typist(t, ['attach', 'ada', '--url', web.url], true, look);
  const pipe = (...args: readonly string[]): Typist =>
    new Typist(t, ['attach', 'ada', '--url', web.url, ...args], false);
  const top = (look: object): Typist => new Typist(t, ['top', '--url', web.url], true, look);
  return { engine, runtime, attach, pipe, top, url: web.url };
};

export const ask = {
  type: 'ask',
  question: { kind: 'permission', prompt: 'May I?', options: ['Yes', 'no'] },
} as const;
