import {
  type Engine,
  type EngineOutput,
  inputText,
  type Run,
  type RuntimePlugin,
} from '@worker-runtime/core';

type Output = EngineOutput | readonly EngineOutput[];

const SECRET = '/srv/canary/socket-4711';

/**
 * An engine that a test controls. `say …` streams the words and completes the message, `count N` makes N messages,
 * `fill N K` makes N messages of K characters, `fail` throws an error with a secret. The run of any other input produces
 * the outputs of `say()` until `finish()`.
 */
export class Speaker {
  static readonly secret = SECRET;
  readonly #pending: { readonly output: Output | null; readonly taken: () => void }[] = [];
  #wake = (): void => {};

  /** Produces an output. Resolves when it is committed or, for text, sent. */
  say(output: Output): Promise<void> {
    return this.#push(output);
  }

  /** Ends the run. */
  finish(): Promise<void> {
    return this.#push(null);
  }

  plugin(): RuntimePlugin {
    const engine: Engine = {
      name: 'speaker',
      capabilities: { placement: 'backendInternal', tools: ['search'] },
      attach: async () => ({ run: (run) => this.#run(run), detach: async () => {} }),
    };
    return { name: 'speaker', apply: (host) => host.useEngine(engine) };
  }

  #push(output: Output | null): Promise<void> {
    return new Promise((taken) => {
      this.#pending.push({ output, taken });
      this.#wake();
    });
  }

  async *#run(run: Run): AsyncGenerator<Output> {
    const [verb, ...words] = inputText(run.input).split(' ');
    if (verb === 'fail') throw new Error(`cannot read ${SECRET}`);
    if (verb === 'say') {
      for (const word of words) yield { type: 'text', text: `${word} ` };
      yield { type: 'message' };
    } else if (verb === 'count' || verb === 'fill') {
      const [times, length = 1] = words.map(Number) as [number, number?];
      const text = 'x'.repeat(length);
      // in batches, to keep the tests fast
      for (let at = 0; at < times; at += 50) {
        yield Array.from({ length: Math.min(50, times - at) }, (_, index) => ({
          type: 'message',
          parts: [{ type: 'text', text: verb === 'fill' ? text : `message ${at + index} 🙂` }],
        }));
      }
    } else yield* this.#led(run.signal);
  }

  async *#led(signal: AbortSignal): AsyncGenerator<Output> {
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    while (!signal.aborted) {
      const next = this.#pending.shift();
      if (!next) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      if (next.output === null) return next.taken();
      yield next.output;
      next.taken();
    }
  }
}
