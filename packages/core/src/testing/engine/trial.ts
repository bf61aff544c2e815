import type { WorkerEvent } from '../../contracts/event.ts';
import type { InputReceipt, WorkerInput } from '../../contracts/runtime-api.ts';
import { memoryStore } from '../../memory-store/memory-store.ts';
import { Runtime } from '../../runtime/runtime.ts';
import type { Declare } from '../declare.ts';
import type { TestContext } from '../store/harness.ts';
import type { EngineCapability, EngineHarness } from './harness.ts';

/** Declares one test of the contract, skipped where the capability that it needs is declared as lacking. */
export type Contract = Declare<Trial, EngineCapability>;

/** For a whole run, however slow the engine. */
const RUN_MS = 60_000;

/** One test's engine in a runtime on a store in memory. */
export class Trial {
  readonly t: TestContext;
  readonly harness: EngineHarness;
  readonly #store = memoryStore();
  #runtime: Runtime | null = null;

  constructor(t: TestContext, harness: EngineHarness) {
    this.t = t;
    this.harness = harness;
    t.teardown(async () => {
      await this.#runtime?.stop();
      await harness.dispose();
    });
  }

  get runtime(): Runtime {
    if (!this.#runtime) throw new TypeError('The trial has not begun');
    return this.#runtime;
  }

  /** Starts a runtime; after the first one, over what that one left. */
  async start(): Promise<void> {
    await this.#runtime?.stop();
    this.#runtime = await Runtime.start({
      plugins: [
        {
          name: 'trial',
          apply: (host) => {
            host.useStore(this.#store);
            host.useEngine(this.harness.engine);
          },
        },
      ],
    });
  }

  async create(): Promise<string> {
    const { engine, config } = this.harness;
    const { worker } = await this.runtime.createWorker({ engine: engine.name, config });
    return worker.workerId;
  }

  /** An input that the harness has to have, since its lack was not declared. */
  need(input: WorkerInput | undefined, name: string): WorkerInput {
    if (input) return input;
    throw new TypeError(`The harness has no ${name}; declare the capability as lacking`);
  }

  /** Has an input worked off, and expects its run to complete. Gives all text that was said. */
  async say(workerId: string, input: WorkerInput): Promise<string> {
    const { run } = await this.runtime.sendInput(workerId, input, { waitMs: RUN_MS });
    this.t.is(run?.outcome, 'completed', JSON.stringify(run?.error));
    const texts = run?.messages
      .filter(({ role }) => role === 'assistant')
      .flatMap(({ parts }) => parts.map((part) => ('text' in part ? part.text : '')));
    return texts?.join('') ?? '';
  }

  /** Begins a run that goes on until it is told to end, and waits for its first output. */
  async beginLong(workerId: string): Promise<InputReceipt> {
    const receipt = await this.runtime.sendInput(workerId, this.need(this.harness.longInput, 'longInput'));
    for await (const item of this.runtime.observe(workerId, { after: receipt.cursor })) {
      if (item.type === 'delta') break;
      if (item.type === 'in-flight' && item.messages.length > 0) break;
      if (item.type !== 'event' || item.event.run !== receipt.runId) continue;
      const { type } = item.event;
      if (type === 'run.finished') this.t.fail('the long run ended before it was told to');
      if (type !== 'input.accepted' && type !== 'run.started') break;
    }
    return receipt;
  }

  async log(workerId: string): Promise<readonly WorkerEvent[]> {
    const events: WorkerEvent[] = [];
    for (let after: string | null = 'start'; after !== null; ) {
      const page: Awaited<ReturnType<Runtime['events']>> = await this.runtime.events(workerId, { after });
      events.push(...page.items);
      after = page.next;
    }
    return events;
  }

  /** How each run of a Worker ended. Checks that each ended once, and said nothing after that. */
  async outcomes(workerId: string): Promise<readonly string[]> {
    const ended = new Map<string, string>();
    for (const { type, run, data } of await this.log(workerId)) {
      if (run === undefined) continue;
      this.t.true(!ended.has(run), `${type} of a run that has ended`);
      if (type === 'run.finished') ended.set(run, data.outcome);
    }
    return [...ended.values()];
  }

  /** Fails where the runtime had trouble with the engine. */
  async checkQuiet(): Promise<void> {
    const { items } = await this.runtime.diagnostics();
    this.t.deepEqual(
      items.map(({ code, message }) => `${code}: ${message}`),
      [],
    );
  }
}
