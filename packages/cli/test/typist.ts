import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { Runtime } from '@worker-runtime/core';
import { type ScriptedEngine, scriptedEngine } from '@worker-runtime/core/testing';
import { http } from '@worker-runtime/plugin-http';
import type { ExecutionContext } from 'ava';
import type { Terminal } from '../src/attach/terminal.ts';
import { runCommandLine } from '../src/command-line.ts';

/** The user of `attach`: a person at a terminal, or a program that writes to a pipe. */
export class Typist {
  readonly code: Promise<number>;
  seen = '';
  remarks = '';
  readonly #input: PassThrough & { readonly isTTY: boolean };
  #interrupt: () => void = () => {};
  #wake: () => void = () => {};

  constructor(t: ExecutionContext, args: readonly string[], isTTY: boolean) {
    this.#input = Object.assign(new PassThrough(), { isTTY });
    const output = new PassThrough();
    output.setEncoding('utf8').on('data', (text: string) => {
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
    this.code = runCommandLine(['attach', ...args], { print: () => t.fail(), remark }, terminal);
    t.teardown(() => this.leaves());
  }

  types(line: string): void {
    this.#input.write(`${line}\n`);
  }

  interrupts(): void {
    this.#interrupt();
  }

  leaves(): Promise<number> {
    this.#input.end();
    return this.code;
  }

  async sees(text: string): Promise<void> {
    while (!this.seen.includes(text)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
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
  const attach = (...args: readonly string[]): Typist =>
    new Typist(t, ['ada', '--url', web.url, ...args], true);
  const pipe = (...args: readonly string[]): Typist =>
    new Typist(t, ['ada', '--url', web.url, ...args], false);
  return { engine, runtime, attach, pipe, url: web.url };
};

export const ask = {
  type: 'ask',
  question: { kind: 'permission', prompt: 'May I?', options: ['Yes', 'no'] },
} as const;
