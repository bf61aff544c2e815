import type { EngineCapabilities } from '../contracts/capabilities.ts';
import {
  type Answer,
  type DetachReason,
  type Engine,
  type EngineContext,
  type EngineOutput,
  type EngineSession,
  inputText,
  type Run,
  type RunInput,
} from '../contracts/engine.ts';
import type { JsonObject } from '../contracts/json.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import { type Gate, NamedGate } from './engine/gate.ts';
import type { Script, ScriptStep, WaitStep } from './engine/script.ts';

/** One run of a session: its input, and what the run has received so far. */
export interface ScriptedRun {
  readonly runId: string;
  readonly input: RunInput | null;
  /** The answers to its requests, oldest first. */
  readonly answers: readonly Answer[];
  /** The ids of the Workers that it created. */
  readonly children: readonly string[];
}

/** One session that the engine handed out, with its runs, oldest first. */
export interface ScriptedSession {
  readonly context: EngineContext;
  readonly runs: readonly ScriptedRun[];
  /** The reason of the detach, or null before one. */
  readonly detached: DetachReason | null;
}

/** One call that the runtime made on the engine or a session. */
export type ScriptedCall =
  | { readonly call: 'attach'; readonly workerId: string; readonly generation: number }
  | {
      readonly call: 'detach';
      readonly workerId: string;
      readonly generation: number;
      readonly reason: DetachReason;
    }
  | { readonly call: 'forget'; readonly workerId: string };

export interface ScriptedEngineOptions {
  /** The engine's name. Default `"scripted"`. */
  readonly name?: string;
  /**
   * Default: placement `backendInternal`, access to the file system, tools `read` and `write`, images and plain text
   * as files, requests.
   */
  readonly capabilities?: EngineCapabilities;
}

const CAPABILITIES: EngineCapabilities = {
  placement: 'backendInternal',
  access: { filesystem: true },
  tools: ['read', 'write'],
  files: ['image/*', 'text/plain'],
  requests: true,
  forks: true,
};

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** Waits for a promise; rejects with the signal's reason if the signal aborts first. A null signal never aborts. */
const orAborted = (waited: Promise<void>, signal: AbortSignal | null): Promise<void> => {
  if (signal === null) return waited;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    // The signal lives longer than the wait, so the listener is removed.
    const release = (): void => signal.removeEventListener('abort', abort);
    waited.then(resolve, reject).finally(release);
  });
};

/** The part of the engine that a session uses. */
interface SessionHost {
  stepsOf(run: Run, context: EngineContext): readonly ScriptStep[];
  wait(step: WaitStep, owner: { readonly signal: AbortSignal }): Promise<void>;
  detach(context: EngineContext, reason: DetachReason): Promise<void>;
}

type Outputs = AsyncGenerator<
  EngineOutput | readonly EngineOutput[],
  EngineOutput | readonly EngineOutput[] | undefined
>;

class Session implements EngineSession, ScriptedSession {
  readonly context: EngineContext;
  readonly runs: ScriptedRun[] = [];
  detached: DetachReason | null = null;
  readonly #host: SessionHost;

  constructor(host: SessionHost, context: EngineContext) {
    this.#host = host;
    this.context = context;
  }

  async *run(run: Run): Outputs {
    const answers: Answer[] = [];
    const children: string[] = [];
    this.runs.push({ runId: run.runId, input: run.input, answers, children });
    return yield* this.#play(this.#host.stepsOf(run, this.context), run, answers, children);
  }

  async detach(reason: DetachReason): Promise<void> {
    this.detached = reason;
    await this.#host.detach(this.context, reason);
  }

  async *#play(steps: readonly ScriptStep[], run: Run, answers: Answer[], children: string[]): Outputs {
    for (const step of steps) {
      // Array.isArray does not narrow a readonly array, so the check is on the property.
      if (!('type' in step)) {
        yield step;
        continue;
      }
      switch (step.type) {
        case 'gate':
        case 'hang':
        case 'abort':
        case 'throw':
          await this.#host.wait(step, run);
          break;
        case 'ask': {
          const answer = await run.ask(step.question);
          answers.push(answer);
          if (!step.reply) break;
          const last = yield* this.#play(step.reply(answer), run, answers, children);
          if (last) return last;
          break;
        }
        case 'return':
          return step.outputs;
        case 'flood':
          while (step.ignoresAbort === true || !run.signal.aborted) yield step.output;
          break;
        case 'begin-run':
          await this.context.beginRun(step.input);
          break;
        case 'create-child':
          children.push((await this.context.createChild(step.spec)).workerId);
          break;
        case 'call':
          yield* this.#play(await step.call(run, this.context), run, answers, children);
          break;
        case 'lost':
          this.context.lost(step.error);
          break;
        default:
          yield step;
      }
    }
    return undefined;
  }
}

/**
 * An engine that performs scripts, in step with a test. It sets no timers; its scripts wait at gates that the test
 * opens. A test may replace the scripts at any time, and a run keeps the script that it began with. The config may
 * have one key, `token`, which the runtime must keep private; `checkConfig` refuses other keys with
 * CONFIG_UNSUPPORTED.
 */
export class ScriptedEngine implements Engine {
  readonly name: string;
  /** The capabilities now. A test may replace them, because the runtime reads them each time. */
  capabilities: EngineCapabilities;
  /** The script of later runs. A run whose input has no steps fails. */
  script: Script;
  /** The steps of every attach. */
  attachScript: readonly WaitStep[] = [];
  /** The steps of every detach. */
  detachScript: readonly WaitStep[] = [];
  readonly #gates = new Map<string, NamedGate>();
  readonly #sessions: Session[] = [];
  readonly #calls: ScriptedCall[] = [];
  readonly #listeners = new Set<(call: ScriptedCall) => void>();

  constructor(script: Script, { name = 'scripted', capabilities = CAPABILITIES }: ScriptedEngineOptions) {
    this.name = name;
    this.capabilities = capabilities;
    this.script = script;
  }

  /** All sessions that the engine has handed out, oldest first. */
  get sessions(): readonly ScriptedSession[] {
    return this.#sessions;
  }

  /** All calls of the runtime, oldest first. */
  get calls(): readonly ScriptedCall[] {
    return this.#calls;
  }

  /** Returns the gate of this name; makes it at the first use. */
  gate(name: string): Gate {
    return this.#gate(name);
  }

  /** Resolves with the call of this kind for the Worker, past or future. `number` 1 is the first such call. */
  called<C extends ScriptedCall['call']>(
    call: C,
    workerId: string,
    number = 1,
  ): Promise<Extract<ScriptedCall, { readonly call: C }>> {
    const matches = (made: ScriptedCall): made is Extract<ScriptedCall, { readonly call: C }> =>
      made.call === call && made.workerId === workerId;
    return new Promise((resolve) => {
      let count = 0;
      const listener = (made: ScriptedCall): void => {
        if (!matches(made)) return;
        count += 1;
        if (count !== number) return;
        this.#listeners.delete(listener);
        resolve(made);
      };
      this.#listeners.add(listener);
      for (const past of this.#calls) listener(past);
    });
  }

  readonly configSchema: JsonObject = {
    type: 'object',
    properties: { token: { type: 'string' } },
    additionalProperties: false,
  };

  checkConfig(config: JsonObject): void {
    const unknown = Object.keys(config).filter((key) => key !== 'token');
    if (unknown.length > 0)
      throw new RuntimeError('CONFIG_UNSUPPORTED', undefined, { details: { keys: unknown } });
  }

  async attach(context: EngineContext): Promise<EngineSession> {
    const { workerId, generation } = context;
    this.#note({ call: 'attach', workerId, generation });
    for (const step of this.attachScript) await this.#wait(step, context);
    const session = new Session(this.#sessionHost, context);
    this.#sessions.push(session);
    return session;
  }

  async forget(workerId: string): Promise<void> {
    this.#note({ call: 'forget', workerId });
  }

  readonly #sessionHost: SessionHost = {
    stepsOf: (run, context) => this.#stepsOf(run, context),
    wait: (step, owner) => this.#wait(step, owner),
    detach: async (context, reason) => {
      const { workerId, generation } = context;
      this.#note({ call: 'detach', workerId, generation, reason });
      for (const step of this.detachScript) await this.#wait(step, context);
    },
  };

  #note(call: ScriptedCall): void {
    this.#calls.push(call);
    for (const listener of [...this.#listeners]) listener(call);
  }

  #stepsOf(run: Run, context: EngineContext): readonly ScriptStep[] {
    const { script } = this;
    if (typeof script === 'function') return script(run, context);
    const text = inputText(run.input);
    const steps = Object.hasOwn(script, text) ? script[text] : undefined;
    if (!steps) throw new TypeError(`The script has no steps for ${JSON.stringify(text)}`);
    return steps;
  }

  async #wait(step: WaitStep, owner: { readonly signal: AbortSignal }): Promise<void> {
    switch (step.type) {
      case 'gate':
        return orAborted(this.#gate(step.gate).pass(), step.ignoresAbort === true ? null : owner.signal);
      case 'hang':
        return orAborted(new Promise(() => {}), step.ignoresAbort === true ? null : owner.signal);
      case 'abort':
        return aborted(owner.signal);
      default:
        throw step.error;
    }
  }

  #gate(name: string): NamedGate {
    let gate = this.#gates.get(name);
    if (!gate) {
      gate = new NamedGate();
      this.#gates.set(name, gate);
    }
    return gate;
  }
}

/** Makes a deterministic engine for tests of code that runs engines. */
export const scriptedEngine = (script: Script = {}, options: ScriptedEngineOptions = {}): ScriptedEngine =>
  new ScriptedEngine(script, options);
