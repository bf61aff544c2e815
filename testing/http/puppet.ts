import {
  type Engine,
  type EngineOutput,
  inputText,
  type Run,
  type RuntimePlugin,
} from '@worker-runtime/core';

interface Pending {
  readonly output: EngineOutput | readonly EngineOutput[] | null;
  readonly taken: () => void;
}

/**
 * An engine that a test controls. Some inputs have a fixed meaning: `say …` streams the words and completes the message,
 * `ask` opens a permission request, `fail` throws with a secret in its message. The run of any other input produces the
 * outputs of `say()` until `finish()`.
 */
export class Puppet {
  static readonly secret = '/srv/canary/token-4711';
  readonly name = 'puppet';
  readonly #pending: Pending[] = [];
  readonly #waiting = new Set<() => void>();

  /** Produces an output. Resolves when it is committed or, for text, sent: the runtime then pulls the next one. */
  say(output: EngineOutput | readonly EngineOutput[]): Promise<void> {
    return this.#push(output);
  }

  /** Ends the run. */
  finish(): Promise<void> {
    return this.#push(null);
  }

  plugin(): RuntimePlugin {
    const engine: Engine = {
      name: this.name,
      capabilities: { placement: 'backendInternal', requests: true, continues: true, tools: ['search'] },
      attach: async () => ({ run: (run) => this.#run(run), detach: async () => {} }),
    };
    return { name: this.name, apply: (host) => host.useEngine(engine) };
  }

  readonly #wake = (): void => {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  };

  #push(output: Pending['output']): Promise<void> {
    return new Promise((taken) => {
      this.#pending.push({ output, taken });
      this.#wake();
    });
  }

  async *#run(run: Run): AsyncGenerator<EngineOutput | readonly EngineOutput[]> {
    const [verb, ...words] = inputText(run.input).split(' ');
    if (verb === 'fail') throw new Error(`cannot read ${Puppet.secret}`);
    if (verb === 'say') {
      for (const word of words) yield { type: 'text', text: `${word} ` };
      yield [{ type: 'message' }, { type: 'usage', model: 'm1', inputTokens: 1, outputTokens: words.length }];
      return;
    }
    if (verb === 'ask') {
      const { decision } = await run.ask({ kind: 'permission', prompt: 'May I?', options: ['yes', 'no'] });
      yield { type: 'message', parts: [{ type: 'text', text: decision ?? 'none' }] };
      return;
    }
    run.signal.addEventListener('abort', this.#wake, { once: true });
    for (;;) {
      const next = await this.#next(run.signal);
      if (next === null) return;
      if (next.output === null) return next.taken();
      yield next.output;
      next.taken();
    }
  }

  async #next(signal: AbortSignal): Promise<Pending | null> {
    while (this.#pending.length === 0 && !signal.aborted) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
    return this.#pending.shift() ?? null;
  }
}
