import type { Cursor } from '../../contracts/cursor.ts';
import type { EventType, WorkerEvent } from '../../contracts/event.ts';
import type {
  CreateWorker,
  Page,
  RuntimeApi,
  WorkerDetail,
  WorkerInput,
} from '../../contracts/runtime-api.ts';
import type { ErrorCode } from '../../contracts/runtime-error.ts';
import type { ScriptStep } from '../engine/script.ts';
import type { ScriptedEngine } from '../scripted-engine.ts';
import type { TestContext } from '../store/harness.ts';
import type { RuntimeApiHarness } from './harness.ts';
import { Viewer } from './viewer.ts';

type EventOf<T extends EventType> = Extract<WorkerEvent, { readonly type: T }>;

/** Something wrong, where the types would not let it through. */
export const wrong = (value: unknown): never => value as never;

/** What an input is answered where a test gave no steps for it. */
const answering = (text: string): readonly ScriptStep[] => [
  { type: 'text', text: `you said: ${text}` },
  { type: 'message' },
  { type: 'usage', model: 'scripted-1', inputTokens: text.length, outputTokens: 2 },
];

/** One test's runtime, and the ways to use it that tests have in common. */
export class Scene {
  readonly t: TestContext;
  readonly engine: ScriptedEngine;
  readonly #harness: RuntimeApiHarness;
  readonly #viewers: Viewer[] = [];
  #api: RuntimeApi;

  constructor(t: TestContext, harness: RuntimeApiHarness) {
    this.t = t;
    this.#harness = harness;
    this.#api = harness.api;
    this.engine = harness.engine;
    this.plays({});
    t.teardown(async () => {
      await Promise.all(this.#viewers.map((viewer) => viewer.close()));
      await harness.dispose();
    });
  }

  get api(): RuntimeApi {
    return this.#api;
  }

  /** What the engine does with inputs of these texts; others are answered at once. */
  plays(script: Readonly<Record<string, readonly ScriptStep[]>>): void {
    this.engine.script = ({ input }) => {
      const text = input?.parts.map((part) => part.text).join('') ?? '';
      return (Object.hasOwn(script, text) ? script[text] : undefined) ?? answering(text);
    };
  }

  async restart(): Promise<void> {
    if (!this.#harness.restart)
      throw new TypeError('The harness has no restart(); declare the capability "restart" as lacking');
    this.#api = await this.#harness.restart();
  }

  async kill(): Promise<void> {
    if (!this.#harness.kill)
      throw new TypeError('The harness has no kill(); declare the capability "kill" as lacking');
    this.#api = await this.#harness.kill();
  }

  /** A Worker of the scripted engine. */
  async create(request: CreateWorker = {}): Promise<string> {
    const { worker } = await this.api.createWorker({ engine: this.engine.name, ...request });
    return worker.workerId;
  }

  /** A Worker that works on an input, at the gate of that name. */
  async createAt(gate: string, request: CreateWorker = {}): Promise<string> {
    this.plays({
      [gate]: [
        { type: 'gate', gate },
        { type: 'text', text: 'done' },
      ],
    });
    const workerId = await this.create(request);
    await this.api.sendInput(workerId, { text: gate });
    await this.engine.gate(gate).reached;
    return workerId;
  }

  /** Has an input worked off to the end of its run. */
  async say(workerId: string, input: string | WorkerInput): Promise<void> {
    const { run } = await this.api.sendInput(workerId, typeof input === 'string' ? { text: input } : input, {
      waitMs: 20_000,
    });
    this.t.true(run !== null, 'the run has finished');
  }

  /** Fails unless the call rejects with this code. Returns the error's details. */
  async refuses(
    code: ErrorCode,
    what: string,
    call: () => Promise<unknown>,
  ): Promise<Readonly<Record<string, unknown>>> {
    let error: { readonly code?: unknown; readonly details?: unknown };
    try {
      await call();
      this.t.fail(`${what} is not refused`);
      return {};
    } catch (caught) {
      error = Object(caught) as typeof error;
      this.t.is(error.code, code, `${what}: ${String(caught)}`);
    }
    return Object(error.details) as Readonly<Record<string, unknown>>;
  }

  /** Looks at a Worker's stream until the test is over. */
  view(workerId: string, options: { readonly after?: Cursor; readonly deltas?: boolean } = {}): Viewer {
    const viewer = new Viewer(this.t, this.api, workerId, options);
    this.#viewers.push(viewer);
    return viewer;
  }

  /** All items of something that is read in pages. */
  async all<T>(read: (after: Cursor) => Promise<Page<T>>): Promise<readonly T[]> {
    const items: T[] = [];
    for (let after: Cursor | null = 'start'; after !== null; ) {
      const page: Page<T> = await read(after);
      items.push(...page.items);
      after = page.next;
    }
    return items;
  }

  /** A Worker's whole log. Checks that it is numbered without gaps. */
  async log(workerId: string): Promise<readonly WorkerEvent[]> {
    const events = await this.all((after) => this.api.events(workerId, { after }));
    this.t.deepEqual(
      events.map(({ seq }) => seq),
      events.map((_, index) => index + 1),
    );
    return events;
  }

  async typesOf(workerId: string): Promise<readonly string[]> {
    return (await this.log(workerId)).map(({ type }) => type);
  }

  /** The events of one type. */
  async only<T extends EventType>(workerId: string, type: T): Promise<readonly EventOf<T>[]> {
    return (await this.log(workerId)).filter((event): event is EventOf<T> => event.type === type);
  }

  /** Resolves, with the Worker as it then is, when its log has so many events of a type. */
  async happens(workerId: string, type: EventType, times = 1): Promise<WorkerDetail> {
    const viewer = this.view(workerId, { after: 'start', deltas: false });
    await viewer.sees(type, times);
    await viewer.close();
    return this.api.getWorker(workerId);
  }

  /** The id of the request that a Worker waits for. */
  async requestOf(workerId: string): Promise<string> {
    await this.happens(workerId, 'request.opened');
    const { items } = await this.api.listRequests(workerId);
    this.t.is(items.length, 1);
    return items[0]?.requestId ?? '';
  }
}
