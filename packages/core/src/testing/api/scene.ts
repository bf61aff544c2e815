import type { Cursor } from '../../contracts/cursor.ts';
import { inputText } from '../../contracts/engine.ts';
import type { EventType, WorkerEvent } from '../../contracts/event.ts';
import type { Page } from '../../contracts/page.ts';
import type { RuntimeApi } from '../../contracts/runtime-api.ts';
import type { ErrorCode } from '../../contracts/runtime-error.ts';
import type { ServedArchives } from '../../contracts/served-archives.ts';
import type { CreateWorker, WorkerDetail, WorkerInput } from '../../contracts/worker.ts';
import type { ScriptStep } from '../engine/script.ts';
import type { ScriptedEngine } from '../scripted-engine.ts';
import type { TestContext } from '../store/harness.ts';
import type { RuntimeApiHarness } from './harness.ts';
import { Viewer } from './viewer.ts';

type EventOf<T extends EventType> = Extract<WorkerEvent, { readonly type: T }>;

/** Casts a value that the types forbid, in order to send an invalid request. */
export const wrong = (value: unknown): never => value as never;

/** The steps of an input that the test's script does not name. */
const defaultSteps = (text: string): readonly ScriptStep[] => [
  { type: 'text', text: `you wrote: ${text}` },
  { type: 'message' },
  { type: 'usage', model: 'scripted-1', inputTokens: text.length, outputTokens: 2 },
];

/** The API, the engine and the open streams of one test, with the steps that several tests share. */
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

  /** The API of the runtime that runs now. */
  get api(): RuntimeApi {
    return this.#api;
  }

  /** The archives of the runtime that runs now. */
  get archives(): ServedArchives {
    if (!this.#harness.archives)
      throw new TypeError('The harness has no archives(): name the capability "archives" in `lacks`');
    return this.#harness.archives();
  }

  /** Sets the engine's steps for inputs with these texts. The engine answers any other input with a message. */
  plays(script: Readonly<Record<string, readonly ScriptStep[]>>): void {
    this.engine.script = ({ input }) => {
      const text = inputText(input);
      return (Object.hasOwn(script, text) ? script[text] : undefined) ?? defaultSteps(text);
    };
  }

  async restart(): Promise<void> {
    if (!this.#harness.restart)
      throw new TypeError('The harness has no restart(): name the capability "restart" in `lacks`');
    this.#api = await this.#harness.restart();
  }

  async kill(): Promise<void> {
    if (!this.#harness.kill)
      throw new TypeError('The harness has no kill(): name the capability "kill" in `lacks`');
    this.#api = await this.#harness.kill();
  }

  /** Creates a Worker of the scripted engine and returns its id. */
  async create(request: CreateWorker = {}): Promise<string> {
    const { worker } = await this.api.createWorker({ engine: this.engine.name, ...request });
    return worker.workerId;
  }

  /** Creates a Worker with an active run that waits at the gate of this name. Returns the Worker's id. */
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

  /** Sends an input and waits until its run has finished. */
  async say(workerId: string, input: string | WorkerInput): Promise<void> {
    const { run } = await this.api.sendInput(workerId, typeof input === 'string' ? { text: input } : input, {
      waitMs: 20_000,
    });
    this.t.true(run !== null, 'the run has finished');
  }

  /** Checks that the call rejects with this code. `what` names the call in failures. Returns the error's details. */
  async refuses(
    code: ErrorCode,
    what: string,
    call: () => Promise<unknown>,
  ): Promise<Readonly<Record<string, unknown>>> {
    let error: { readonly code?: unknown; readonly details?: unknown };
    try {
      await call();
      this.t.fail(`${what}: expected ${code}, but the call succeeded`);
      return {};
    } catch (caught) {
      error = Object(caught) as typeof error;
      this.t.is(error.code, code, `${what}: ${String(caught)}`);
    }
    return Object(error.details) as Readonly<Record<string, unknown>>;
  }

  /** Opens a stream of a Worker. It is closed after the test. */
  view(workerId: string, options: { readonly after?: Cursor; readonly deltas?: boolean } = {}): Viewer {
    const viewer = new Viewer(this.t, this.api, workerId, options);
    this.#viewers.push(viewer);
    return viewer;
  }

  /** Reads all pages and returns their items. */
  async all<T>(read: (after: Cursor) => Promise<Page<T>>): Promise<readonly T[]> {
    const items: T[] = [];
    for (let after: Cursor | null = 'start'; after !== null; ) {
      const page: Page<T> = await read(after);
      items.push(...page.items);
      after = page.next;
    }
    return items;
  }

  /** Reads the whole log of a Worker. Checks that its events are numbered from 1 without gaps. */
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

  /** Returns the events of one type in a Worker's log. */
  async only<T extends EventType>(workerId: string, type: T): Promise<readonly EventOf<T>[]> {
    return (await this.log(workerId)).filter((event): event is EventOf<T> => event.type === type);
  }

  /** Waits until a Worker's log has `times` events of this type. Returns the Worker. */
  async happens(workerId: string, type: EventType, times = 1): Promise<WorkerDetail> {
    const viewer = this.view(workerId, { after: 'start', deltas: false });
    await viewer.sees(type, times);
    await viewer.close();
    return this.api.getWorker(workerId);
  }

  /** Waits until a Worker has an open request, and returns the request's id. */
  async requestOf(workerId: string): Promise<string> {
    await this.happens(workerId, 'request.opened');
    const { items } = await this.api.listRequests(workerId);
    this.t.is(items.length, 1);
    return items[0]?.requestId ?? '';
  }
}
