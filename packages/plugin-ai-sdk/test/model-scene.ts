import {
  type CreateWorker,
  type EventData,
  memoryStore,
  type OpenRequest,
  type RunResult,
  Runtime,
  type RuntimeStore,
  type TranscriptItem,
  type WorkerEvent,
} from '@worker-runtime/core';
import { FakeModelServer } from '@worker-runtime/test-environment/fake-model-server';
import type { ExecutionContext } from 'ava';
import { aiSdk } from '../src/index.ts';
import type { AiSdkOptions } from '../src/options.ts';

/** The longest time to wait for a run. No run of these tests takes that long. */
const RUN_TIMEOUT_MS = 60_000;

export interface SceneOptions extends Omit<AiSdkOptions, 'providers'> {
  readonly type?: 'openai-compatible' | 'anthropic';
  /** More options of the provider. */
  readonly provider?: object;
  /** More providers, beside the fake server. */
  readonly providers?: AiSdkOptions['providers'];
  /** The store of all runtimes of the scene. Default: a memory store. */
  readonly store?: RuntimeStore;
  readonly key?: { readonly apiKeyEnv?: string; readonly apiKeyFile?: string };
}

const itemText = ({ role, parts, partial }: TranscriptItem): string =>
  parts
    .map((part) => {
      if (part.type === 'tool-call') return `call ${part.name} ${JSON.stringify(part.input)}`;
      if (part.type === 'tool-result')
        return part.error === undefined ? `result ${JSON.stringify(part.output)}` : `error ${part.error}`;
      return part.type === 'text' ? `${role}${partial ? ' (partial)' : ''}: ${part.text}` : part.type;
    })
    .join(' | ');

/** A runtime with the engine, a fake model server, and the lines of the operator's log. */
export class ModelScene {
  readonly server: FakeModelServer;
  readonly logged: string[] = [];
  readonly #options: SceneOptions;
  readonly #store: RuntimeStore;
  #runtime: Runtime | null = null;

  static async open(t: ExecutionContext, options: SceneOptions = {}): Promise<ModelScene> {
    t.timeout(120_000);
    const scene = new ModelScene(await FakeModelServer.open(), options);
    t.teardown(async () => {
      await scene.#runtime?.stop();
      await scene.server.close();
    });
    await scene.start();
    return scene;
  }

  private constructor(server: FakeModelServer, options: SceneOptions) {
    this.server = server;
    this.#options = options;
    this.#store = options.store ?? memoryStore();
  }

  get runtime(): Runtime {
    if (!this.#runtime) throw new TypeError('The scene has not started');
    return this.#runtime;
  }

  /** Starts a runtime. Stops the previous one first, and uses its store. */
  async start(): Promise<void> {
    await this.#runtime?.stop();
    const {
      type = 'openai-compatible',
      key = {},
      provider = {},
      providers = {},
      store: _,
      ...rest
    } = this.#options;
    const plugin = aiSdk({
      retries: 0,
      ...rest,
      providers: { ...(providers as object), fake: { type, baseUrl: this.server.url, ...key, ...provider } },
    });
    const write = (fields: object, message: string): void => {
      this.logged.push(`${message} ${JSON.stringify(fields)}`);
    };
    this.#runtime = await Runtime.start({
      plugins: [plugin, { name: 'memory', apply: (host) => host.useStore(this.#store) }],
      log: { debug: write, info: write, warn: write, error: write },
    });
  }

  async create(
    config: CreateWorker['config'] = {},
    rest: Omit<CreateWorker, 'config'> = {},
  ): Promise<string> {
    const { worker } = await this.runtime.createWorker({
      engine: 'ai-sdk',
      config: { provider: 'fake', model: 'm', ...config },
      ...rest,
    });
    return worker.workerId;
  }

  /** Sends an input and waits for its run to end. */
  async say(workerId: string, input: string | Parameters<Runtime['sendInput']>[1]): Promise<RunResult> {
    const sent = typeof input === 'string' ? { text: input } : input;
    const { run } = await this.runtime.sendInput(workerId, sent, { waitMs: RUN_TIMEOUT_MS });
    if (!run) throw new Error('The run did not end');
    return run;
  }

  /** Sends an input and returns the first request that its run opens. */
  async asked(workerId: string, text: string): Promise<OpenRequest> {
    const { run, cursor } = await this.runtime.sendInput(workerId, { text });
    if (run) throw new Error('The run ended before it opened a request');
    return this.nextRequest(workerId, cursor);
  }

  async nextRequest(workerId: string, after = 'start'): Promise<OpenRequest> {
    for await (const item of this.runtime.observe(workerId, { after })) {
      if (item.type !== 'event') continue;
      const [open] = (await this.runtime.listRequests(workerId)).items;
      if (open) return open;
    }
    throw new Error('No request was opened');
  }

  /** Waits until the text in flight is exactly `text`. */
  async shown(workerId: string, text: string, after = 'start'): Promise<void> {
    let seen = '';
    for await (const item of this.runtime.observe(workerId, { after })) {
      if (item.type === 'in-flight')
        seen = item.messages.flatMap(({ parts }) => parts.map((part) => part.text)).join('');
      if (item.type === 'delta') seen += item.text;
      if (seen === text) return;
    }
    throw new Error('The text was not shown');
  }

  /** Waits for a run to end. */
  async ended(workerId: string, runId: string): Promise<EventData['run.finished']> {
    for await (const item of this.runtime.observe(workerId, { after: 'start' })) {
      if (item.type !== 'event' || item.event.run !== runId) continue;
      if (item.event.type === 'run.finished') return item.event.data;
    }
    throw new Error('The run did not end');
  }

  async log(workerId: string): Promise<readonly WorkerEvent[]> {
    const { items } = await this.runtime.events(workerId, { after: 'start', limit: 1_000 });
    return items;
  }

  /** Returns the transcript without the ends of runs, with one line for each item. */
  async transcript(workerId: string): Promise<readonly string[]> {
    const { items } = await this.runtime.transcript(workerId, { after: 'start', limit: 1_000 });
    return items.filter(({ parts }) => parts[0]?.type !== 'run-end').map(itemText);
  }
}
