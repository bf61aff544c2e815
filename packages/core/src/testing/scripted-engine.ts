import type { EngineCapabilities } from '../contracts/capabilities.ts';
import type {
  Answer,
  DetachReason,
  Engine,
  EngineContext,
  EngineOutput,
  EngineSession,
  Run,
  RunInput,
} from '../contracts/engine.ts';
import type { JsonObject } from '../contracts/json.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import { type Gate, NamedGate } from './engine/gate.ts';
import type { Script, ScriptStep, WaitStep } from './engine/script.ts';

/** What a session was asked to run, and what came of it. */
export interface ScriptedRun {
  readonly runId: string;
  readonly input: RunInput | null;
  readonly answers: readonly Answer[];
  readonly children: readonly string[];
}

export interface ScriptedSession {
  readonly context: EngineContext;
  readonly runs: readonly ScriptedRun[];
  /** Why it was detached, once it was. */
  readonly detached: DetachReason | null;
}

/** What the runtime called. */
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
  /** Default `"scripted"`. */
  readonly name?: string;
  readonly capabilities?: EngineCapabilities;
}

const CAPABILITIES: EngineCapabilities = {
  placement: 'backendInternal',
  access: { filesystem: true },
  tools: ['read', 'write'],
  requests: true,
};

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** Waits for something, or throws the signal's reason. Without a signal there is only the waiting. */
const orAborted = (waited: Promise<void>, signal: AbortSignal | null): Promise<void> => {
  if (signal === null) return waited;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    // a signal lives longer than the waiting: nothing is left on it
    const over = (): void => signal.removeEventListener('abort', abort);
    waited.then(resolve, reject).finally(over);
  });
};

const textOf = (input: RunInput | null): string => input?.parts.map(({ text }) => text).join('') ?? '';

/** What a session needs of its engine. */
interface Stage {
  stepsOf(run: Run, context: EngineContext): readonly ScriptStep[];
  wait(step: WaitStep, owner: { readonly signal: AbortSignal }): Promise<void>;
  detach(context: EngineContext, reason: DetachReason): Promise<void>;
}

class Session implements EngineSession, ScriptedSession {
  readonly context: EngineContext;
  readonly runs: ScriptedRun[] = [];
  detached: DetachReason | null = null;
  readonly #stage: Stage;

  constructor(stage: Stage, context: EngineContext) {
    this.#stage = stage;
    this.context = context;
  }

  async *run(run: Run): AsyncGenerator<EngineOutput | readonly EngineOutput[]> {
    const answers: Answer[] = [];
    const children: string[] = [];
    this.runs.push({ runId: run.runId, input: run.input, answers, children });
    yield* this.#play(this.#stage.stepsOf(run, this.context), run, answers, children);
  }

  async detach(reason: DetachReason): Promise<void> {
    this.detached = reason;
    await this.#stage.detach(this.context, reason);
  }

  async *#play(
    steps: readonly ScriptStep[],
    run: Run,
    answers: Answer[],
    children: string[],
  ): AsyncGenerator<EngineOutput | readonly EngineOutput[]> {
    for (const step of steps) {
      // an array in a union of readonly arrays and objects is told apart by hand
      if (!('type' in step)) {
        yield step;
        continue;
      }
      switch (step.type) {
        case 'gate':
        case 'hang':
        case 'abort':
        case 'throw':
          await this.#stage.wait(step, run);
          break;
        case 'ask': {
          const answer = await run.ask(step.question);
          answers.push(answer);
          if (step.reply) yield* this.#play(step.reply(answer), run, answers, children);
          break;
        }
        case 'flood':
          while (step.ignoresAbort === true || !run.signal.aborted) yield step.output;
          break;
        case 'begin-run':
          await this.context.beginRun(step.input);
          break;
        case 'create-child':
          children.push((await this.context.createChild(step.spec)).workerId);
          break;
        case 'lost':
          this.context.lost(step.error);
          break;
        default:
          yield step;
      }
    }
  }
}

/**
 * An engine that does what its scripts say, in step with a test: it has no timers, and waits at gates that the test
 * opens. Scripts may be replaced at any time; a run keeps the one that it began with. Its config takes one key,
 * `token`, to be kept private.
 */
export class ScriptedEngine implements Engine {
  readonly name: string;
  /** May be replaced: capabilities come from live facts. */
  capabilities: EngineCapabilities;
  /** An input without steps fails its run. */
  script: Script;
  /** What every attach, and every detach, waits for or throws. */
  attachScript: readonly WaitStep[] = [];
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

  /** Every session that was handed out, oldest first. */
  get sessions(): readonly ScriptedSession[] {
    return this.#sessions;
  }

  /** Every call of the runtime, oldest first. */
  get calls(): readonly ScriptedCall[] {
    return this.#calls;
  }

  gate(name: string): Gate {
    return this.#gate(name);
  }

  /** Resolves with such a call about the Worker, past or to come: the first one, or a later one by its number. */
  called<C extends ScriptedCall['call']>(
    call: C,
    workerId: string,
    number = 1,
  ): Promise<Extract<ScriptedCall, { readonly call: C }>> {
    const fits = (made: ScriptedCall): made is Extract<ScriptedCall, { readonly call: C }> =>
      made.call === call && made.workerId === workerId;
    return new Promise((resolve) => {
      let count = 0;
      const listen = (made: ScriptedCall): void => {
        if (!fits(made)) return;
        count += 1;
        if (count !== number) return;
        this.#listeners.delete(listen);
        resolve(made);
      };
      this.#listeners.add(listen);
      for (const past of this.#calls) listen(past);
    });
  }

  checkConfig(config: JsonObject): void {
    const unknown = Object.keys(config).filter((key) => key !== 'token');
    if (unknown.length > 0)
      throw new RuntimeError('CONFIG_UNSUPPORTED', undefined, { details: { keys: unknown } });
  }

  async attach(context: EngineContext): Promise<EngineSession> {
    const { workerId, generation } = context;
    this.#note({ call: 'attach', workerId, generation });
    for (const step of this.attachScript) await this.#wait(step, context);
    const session = new Session(this.#stage, context);
    this.#sessions.push(session);
    return session;
  }

  async forget(workerId: string): Promise<void> {
    this.#note({ call: 'forget', workerId });
  }

  readonly #stage: Stage = {
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
    for (const listen of [...this.#listeners]) listen(call);
  }

  #stepsOf(run: Run, context: EngineContext): readonly ScriptStep[] {
    const { script } = this;
    if (typeof script === 'function') return script(run, context);
    const text = textOf(run.input);
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

/** A deterministic engine for tests of whatever runs engines. */
export const scriptedEngine = (script: Script = {}, options: ScriptedEngineOptions = {}): ScriptedEngine =>
  new ScriptedEngine(script, options);
