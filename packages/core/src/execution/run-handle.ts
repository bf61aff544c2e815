import type { Run } from '../contracts/engine.ts';

interface RunParts extends Omit<Run, 'signal'> {
  /** Returns the signal of the run. Called when the engine reads it. */
  readonly signal: () => AbortSignal;
}

/**
 * The run as its engine sees it. The signal is an own property, so that an engine may copy the run with a spread, and its
 * getter is one function for all runs: V8 keeps a getter in the hidden class of its object, so a closure for each run would make a
 * hidden class for each, which refers to the run until the next full collection.
 */
export class RunHandle implements Run {
  readonly runId: Run['runId'];
  readonly input: Run['input'];
  readonly attempt: Run['attempt'];
  readonly openCalls: Run['openCalls'];
  readonly ask: Run['ask'];
  declare readonly signal: AbortSignal;
  readonly #signal: () => AbortSignal;

  static readonly #SIGNAL: PropertyDescriptor & ThisType<RunHandle> = {
    enumerable: true,
    get() {
      return this.#signal();
    },
  };

  constructor({ runId, input, attempt, openCalls, signal, ask }: RunParts) {
    this.runId = runId;
    this.input = input;
    this.attempt = attempt;
    this.openCalls = openCalls;
    this.#signal = signal;
    this.ask = ask;
    Object.defineProperty(this, 'signal', RunHandle.#SIGNAL);
  }
}
