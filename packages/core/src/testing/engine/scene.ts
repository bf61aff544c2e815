import type { WorkerEvent } from '../../contracts/event.ts';
import type { InputReceipt } from '../../contracts/run.ts';
import type { WorkerInput } from '../../contracts/worker.ts';
import { memoryStore } from '../../memory-store/memory-store.ts';
import { Runtime } from '../../runtime/runtime.ts';
import type { Declare } from '../declare.ts';
import type { TestContext } from '../store/harness.ts';
import type { EngineCapability, EngineHarness } from './harness.ts';

/** Declares one test of the engine contract. The test is skipped if `lacks` names the capability that it needs. */
export type Contract = Declare<EngineScene, EngineCapability>;

/** The time limit of a run, in milliseconds. It is long enough for an engine that calls a remote model. */
const RUN_MS = 60_000;

/** The engine of one test, in a runtime on a memory store. */
export class EngineScene {
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
    if (!this.#runtime) throw new TypeError('The runtime of this test has not started');
    return this.#runtime;
  }

  /** Starts a runtime. A second call stops the first runtime and starts another one on the same store. */
  async start(): Promise<void> {
    await this.#runtime?.stop();
    this.#runtime = await Runtime.start({
      plugins: [
        {
          name: 'under-test',
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

  /** Returns `input`, or throws because the harness lacks it without saying so. */
  need(input: WorkerInput | undefined, name: string): WorkerInput {
    if (input) return input;
    throw new TypeError(`The harness has no ${name}: name its capability in \`lacks\``);
  }

  /** Sends an input and waits until its run completes. Returns the text of all assistant messages of the run. */
  async say(workerId: string, input: WorkerInput): Promise<string> {
    const { run } = await this.runtime.sendInput(workerId, input, { waitMs: RUN_MS });
    this.t.is(run?.outcome, 'completed', JSON.stringify(run?.error));
    const texts = run?.messages
      .filter(({ role }) => role === 'assistant')
      .flatMap(({ parts }) => parts.map((part) => ('text' in part ? part.text : '')));
    return texts?.join('') ?? '';
  }

  /** Begins a run that continues until the runtime ends it, and waits for its first output. */
  async beginLong(workerId: string): Promise<InputReceipt> {
    const receipt = await this.runtime.sendInput(workerId, this.need(this.harness.longInput, 'longInput'));
    for await (const item of this.runtime.observe(workerId, { after: receipt.cursor })) {
      if (item.type === 'delta') break;
      if (item.type === 'in-flight' && item.messages.length > 0) break;
      if (item.type !== 'event' || item.event.run !== receipt.runId) continue;
      const { type } = item.event;
      if (type === 'run.finished') this.t.fail('the long run ended by itself');
      if (type !== 'input.accepted' && type !== 'run.started') break;
    }
    return receipt;
  }

  /** Reads the whole log of a Worker. */
  async log(workerId: string): Promise<readonly WorkerEvent[]> {
    const events: WorkerEvent[] = [];
    for (let after: string | null = 'start'; after !== null; ) {
      const page: Awaited<ReturnType<Runtime['events']>> = await this.runtime.events(workerId, { after });
      events.push(...page.items);
      after = page.next;
    }
    return events;
  }

  /** Returns the outcomes of a Worker's runs. Checks that no event of a run follows its `run.finished`. */
  async outcomes(workerId: string): Promise<readonly string[]> {
    const ended = new Map<string, string>();
    for (const { type, run, data } of await this.log(workerId)) {
      if (run === undefined) continue;
      this.t.true(!ended.has(run), `a run that has ended has no ${type}`);
      if (type === 'run.finished') ended.set(run, data.outcome);
    }
    return [...ended.values()];
  }

  /** Checks that the runtime has recorded no diagnostic. */
  async checkNoDiagnostics(): Promise<void> {
    const { items } = await this.runtime.diagnostics();
    this.t.deepEqual(
      items.map(({ code, message }) => `${code}: ${message}`),
      [],
    );
  }
}
