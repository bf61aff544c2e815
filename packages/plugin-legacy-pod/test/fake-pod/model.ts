import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Json } from './disk.ts';
import type { FakePod } from './pod.ts';
import type { FakeStep } from './script.ts';

export interface ModelEnd {
  readonly status: 'idle' | 'paused';
  readonly isInterrupted: boolean;
}

/** Splits the steps into calls of the model. A new call begins after the tools of the last one. */
const callsOf = (steps: readonly FakeStep[]): readonly (readonly FakeStep[])[] => {
  const calls: FakeStep[][] = [[]];
  for (const step of steps) {
    const last = calls.at(-1) as FakeStep[];
    const whole = last.slice(last.findLastIndex((one) => 'continuation' in one) + 1);
    const isOver = whole.some((one) => 'tool' in one || 'compact' in one);
    if (isOver && !('tool' in step) && !('continuation' in step)) calls.push([step]);
    else last.push(step);
  }
  return calls;
};

class Stopped extends Error {}
class Failed extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Runs one input by the script. Writes the records and sends the events of the old program. */
class Model {
  readonly #pod: FakePod;
  readonly #before: number;
  readonly #usage: Json[] = [];
  #hasOutput: boolean;
  #calls = 0;
  #blocks: Json[] = [];
  #isLimited = false;

  constructor(pod: FakePod, before: number) {
    this.#pod = pod;
    this.#before = before;
    this.#hasOutput = before === -1;
  }

  async work(text: string): Promise<ModelEnd> {
    const pod = this.#pod;
    const scripted = pod.options.script.runs?.[text];
    const steps = scripted ? this.#fillIn(scripted) : [{ text: text === '' ? 'Noted.' : `echo: ${text}` }];
    try {
      for (const call of callsOf(steps)) await this.#call(call);
      this.#finish({
        kind: 'run_completed',
        interrupted: false,
        result: this.#isLimited ? 'limit_reached' : 'finished',
      });
      pod.broadcast('event', 'run_end', { result: this.#isLimited ? 'limit_reached' : 'finished' });
      return { status: 'idle', isInterrupted: false };
    } catch (error) {
      return this.#broken(error);
    }
  }

  #broken(error: unknown): ModelEnd {
    const pod = this.#pod;
    if (error instanceof Failed) {
      this.#finish({
        kind: 'run_errored',
        interrupted: true,
        message: `Client error: API error: ${error.message}`,
      });
      pod.error(error.code, error.message);
      pod.error(error.code, `Client error: API error: ${error.message}`);
      return { status: 'idle', isInterrupted: true };
    }
    if (!(error instanceof Stopped)) throw error;
    if (!this.#hasOutput) {
      pod.truncate(this.#before);
      pod.broadcast('event', 'run_end', { result: 'rolled_back' });
      return { status: 'idle', isInterrupted: false };
    }
    this.#commit(this.#blocks.filter(({ isFinished }) => isFinished === true));
    this.#finish({ kind: 'run_errored', interrupted: true, message: 'Cancelled' });
    if (pod.stop === 'pause') pod.broadcast('event', 'run_end', { result: 'paused' });
    else pod.error('internal', 'Cancelled');
    return { status: pod.stop === 'pause' ? 'paused' : 'idle', isInterrupted: true };
  }

  #finish(end: Json): void {
    const pod = this.#pod;
    pod.turn += 1;
    pod.log({ kind: 'turn_end', turn_count: pod.turn });
    for (const usage of this.#usage) pod.log(usage);
    pod.log(end);
  }

  async #call(steps: readonly FakeStep[]): Promise<void> {
    const pod = this.#pod;
    const turn = pod.turn;
    pod.broadcast('event', 'turn_start', { turn });
    for (const item of pod.notifications.splice(0)) {
      pod.log({ kind: 'system_item', item });
      pod.broadcast('entry', 'system_item', { item });
    }
    const llm_call = this.#calls++;
    pod.broadcast('event', 'llm_call_start', { llm_call });
    this.#blocks = [];
    const tools: Extract<FakeStep, { readonly tool: string }>[] = [];
    for (const step of steps) {
      await this.#stream(step, llm_call);
      if ('tool' in step) tools.push(step);
      else if ('continuation' in step) tools.splice(0);
    }
    pod.broadcast('event', 'usage', { input_tokens: 100, output_tokens: 7, cache_read_input_tokens: 40 });
    this.#usage.push({
      kind: 'llm_usage',
      history_len: pod.entries.length,
      input_total_tokens: 100,
      cache_read_tokens: 40,
      cache_write_tokens: 3,
      output_tokens: 7,
    });
    pod.broadcast('event', 'llm_call_end', { llm_call });
    this.#commit(this.#blocks.filter(({ isFinished }) => isFinished === true));
    this.#blocks = [];
    pod.broadcast('event', 'turn_end', { turn, result: 'finished' });
    await this.#runTools(tools, llm_call);
    if (steps.some((step) => 'compact' in step)) {
      pod.turn += 1;
      pod.log({ kind: 'turn_end', turn_count: pod.turn });
      pod.log({ kind: 'run_completed', interrupted: true, result: 'yielded' });
      pod.compact();
    }
  }

  async #runTools(
    tools: readonly Extract<FakeStep, { readonly tool: string }>[],
    call: number,
  ): Promise<void> {
    const pod = this.#pod;
    for (const tool of tools)
      if (tool.gate !== undefined) await this.#wait(() => existsSync(tool.gate as string));
    for (const [at, tool] of tools.entries()) {
      const summary = tool.summary ?? 'ok';
      const id = `call_${pod.turn}_${call}_${at}`;
      pod.log({
        kind: 'tool_result',
        item: {
          kind: 'tool_result',
          call_id: id,
          summary,
          ...(tool.output !== undefined && { content: tool.output }),
          ...(tool.isError && { is_error: true }),
        },
      });
      pod.broadcast('event', 'tool_result', {
        id,
        summary,
        output: tool.output,
        is_error: tool.isError === true,
      });
    }
  }

  /** Logs the blocks in the order of the old program: reasoning, then text, then tool calls. */
  #commit(blocks: readonly Json[]): void {
    const order = ['reasoning', 'message', 'tool_call'];
    const items = blocks.map(({ item }) => item as Json);
    for (const kind of order)
      for (const item of items) if (item.kind === kind) this.#pod.log({ kind: 'assistant_item', item });
    this.#pod.inFlight = [];
  }

  async #stream(step: FakeStep, llm_call: number): Promise<void> {
    const pod = this.#pod;
    await this.#pause();
    if ('text' in step || 'partial' in step || 'recall' in step) {
      const text = 'recall' in step ? this.#recalled() : 'text' in step ? step.text : step.partial;
      const shown: Json = { kind: 'text', text: '' };
      pod.inFlight.push(shown);
      this.#hasOutput = true;
      for (let at = 0; at < text.length; at += 7) {
        pod.broadcast('event', 'text_delta', { text: text.slice(at, at + 7) });
        shown.text = text.slice(0, at + 7);
        if (pod.random() < 0.3) await this.#pause();
      }
      if ('partial' in step) return;
      shown.finished = true;
      this.#blocks.push({
        isFinished: true,
        item: { kind: 'message', role: 'assistant', content: [{ kind: 'text', text }] },
      });
      pod.broadcast('event', 'text_done', { text });
    } else if ('thinking' in step) {
      this.#hasOutput = true;
      pod.broadcast('event', 'thinking_start');
      pod.broadcast('event', 'thinking_delta', { text: step.thinking });
      pod.broadcast('event', 'thinking_done', { text: step.thinking });
      this.#blocks.push({
        isFinished: true,
        item: { kind: 'reasoning', text: step.thinking, signature: 'SIG-SECRET' },
      });
    } else if ('tool' in step) {
      this.#hasOutput = true;
      const at = this.#blocks.filter(({ item }) => (item as Json).kind === 'tool_call').length;
      const id = `call_${pod.turn}_${llm_call}_${at}`;
      const args = JSON.stringify(step.input ?? {});
      pod.broadcast('event', 'tool_call_start', { id, name: step.tool });
      pod.broadcast('event', 'tool_call_args_delta', { id, json: args });
      pod.broadcast('event', 'tool_call_done', { id, name: step.tool, arguments: args });
      this.#blocks.push({
        isFinished: true,
        item: { kind: 'tool_call', call_id: id, name: step.tool, arguments: args },
      });
    } else if ('retry' in step)
      pod.broadcast('event', 'llm_retry', {
        llm_call,
        failed_attempt: 1,
        max_attempts: 4,
        wait_ms: 1,
        elapsed_ms: 1,
        error: 'x',
      });
    else if ('continuation' in step) {
      this.#blocks = this.#blocks.filter(({ item }) => (item as Json).kind !== 'tool_call');
      pod.broadcast('event', 'llm_continuation', { llm_call, attempt: 1, max_attempts: 3, reason: 'closed' });
    } else if ('error' in step) throw new Failed(step.code ?? 'provider_error', step.error);
    else if ('gate' in step) await this.#wait(() => existsSync(step.gate));
    else if ('hang' in step) await this.#wait(() => false);
    else if ('alert' in step) pod.alert(step.alert);
    else if ('limit' in step) this.#isLimited = true;
    else if ('die' in step) process.kill(process.pid, 'SIGKILL');
    else if ('flood' in step) {
      this.#hasOutput = true;
      for (let at = 0; at < step.flood; at += 1) pod.broadcast('event', 'text_delta', { text: `f${at} ` });
    } else if ('spawn' in step) this.#spawn(step.spawn, step.workspace);
  }

  /** Replaces the placeholders in the steps by values that only this process knows. */
  #fillIn(steps: readonly FakeStep[]): readonly FakeStep[] {
    const { options, segment } = this.#pod;
    const text = JSON.stringify(steps)
      .replaceAll('{{pid}}', String(process.pid))
      .replaceAll('{{session}}', options.session)
      .replaceAll('{{segment}}', segment ?? '');
    return JSON.parse(text) as readonly FakeStep[];
  }

  #recalled(): string {
    const first = this.#pod.entries.find(({ kind }) => kind === 'user_input') as {
      readonly segments: readonly Json[];
    };
    return first.segments.map(({ content }) => String(content)).join('');
  }

  #spawn(name: string, workspace: string): void {
    const { scriptPath, disk } = this.#pod.options;
    const program = process.argv[1] as string;
    const given = [
      '--fake',
      scriptPath,
      'pod',
      '--workspace',
      workspace,
      '--pod',
      name,
      '--delegated-from',
      disk.name,
    ];
    spawn(process.execPath, [program, ...given], {
      detached: true,
      stdio: 'ignore',
      env: process.env,
    }).unref();
  }

  /** Lets the event loop process the sockets. Throws if a client has stopped the run. */
  async #pause(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#pod.stop !== null) throw new Stopped();
  }

  async #wait(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#pause();
      await Promise.race([
        delay(5),
        new Promise<void>((resolve) => {
          this.#pod.wake = resolve;
        }),
      ]);
    }
  }
}

/**
 * Runs one input.
 * @param before the length to which the log is cut back if the run has no output; -1 for a resumed run
 */
export const runModel = (pod: FakePod, text: string, before: number): Promise<ModelEnd> =>
  new Model(pod, before).work(text);
