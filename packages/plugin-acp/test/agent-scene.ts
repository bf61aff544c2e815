import { EventEmitter, once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CreateWorker,
  type EventData,
  memoryStore,
  type OpenRequest,
  Runtime,
  type RuntimeOptions,
  type RuntimeStore,
  type TranscriptItem,
  type WorkerEvent,
} from '@worker-runtime/core';
import { bundled } from '@worker-runtime/test-environment/bundled';
import type { ExecutionContext } from 'ava';
import { type AcpOptions, type AgentOptions, acp } from '../src/index.ts';

export const fakeAgent = async (folder: string, ...traits: readonly string[]): Promise<AgentOptions> => ({
  command: process.execPath,
  args: [await bundled('fake-agent'), folder, ...traits],
});

export const makeFolder = async (): Promise<string> => realpath(await mkdtemp(join(tmpdir(), 'acp-test-')));

const itemText = ({ role, parts, partial }: TranscriptItem): string =>
  parts
    .map((part) => {
      if (part.type === 'tool-call') return `call ${part.name} ${JSON.stringify(part.input)}`;
      if (part.type === 'tool-result')
        return part.error === undefined ? `result ${JSON.stringify(part.output)}` : `error ${part.error}`;
      return part.type === 'text' ? `${role}${partial ? ' (partial)' : ''}: ${part.text}` : part.type;
    })
    .join(' | ');

export interface SceneOptions extends Omit<AcpOptions, 'agents'> {
  /** Overrides options of the fake agent. */
  readonly agent?: Partial<AgentOptions>;
  /** The store. Default: a memory store, which keeps its content over restarts of the scene. */
  readonly store?: RuntimeStore;
  readonly limits?: RuntimeOptions['limits'];
  /** The traits of the fake agent: see fake-agent.ts. */
  readonly traits?: readonly string[];
}

/** A runtime with the fake agent as its only engine. */
export class AgentScene {
  readonly folder: string;
  readonly logged: string[] = [];
  readonly #lines = new EventEmitter();
  readonly #options: SceneOptions;
  readonly #store: RuntimeStore;
  #runtime: Runtime | null = null;

  static async open(t: ExecutionContext, options: SceneOptions = {}): Promise<AgentScene> {
    t.timeout(120_000);
    const scene = new AgentScene(await makeFolder(), options);
    t.teardown(async () => {
      await scene.#runtime?.stop();
      await rm(scene.folder, { recursive: true, force: true, maxRetries: 10 });
    });
    await scene.start();
    return scene;
  }

  private constructor(folder: string, options: SceneOptions) {
    this.folder = folder;
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
    const { agent, traits = [], limits = {}, store: _, ...rest } = this.#options;
    const write = (fields: object, message: string): void => {
      this.logged.push(`${message} ${JSON.stringify(fields)}`);
      this.#lines.emit('line');
    };
    this.#runtime = await Runtime.start({
      plugins: [
        acp({
          roots: [this.folder],
          ...rest,
          agents: { fake: { ...(await fakeAgent(this.folder, ...traits)), ...agent } },
        }),
        { name: 'memory', apply: (host) => host.useStore(this.#store) },
      ],
      limits,
      log: { debug: write, info: write, warn: write, error: write },
    });
  }

  /** Waits until a line of the runtime's log contains the text. */
  async logs(text: string): Promise<void> {
    while (!this.logged.some((line) => line.includes(text))) await once(this.#lines, 'line');
  }

  /** Returns the actions that the agents recorded, in order. */
  record(): readonly string[] {
    const path = join(this.folder, 'record');
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
  }

  async create(rest: Partial<CreateWorker> = {}): Promise<string> {
    const { worker } = await this.runtime.createWorker({ engine: 'acp', config: { agent: 'fake' }, ...rest });
    return worker.workerId;
  }

  /** Sends an input and waits for its run to end. */
  async run(
    workerId: string,
    input: string | Parameters<Runtime['sendInput']>[1],
  ): Promise<EventData['run.finished']> {
    const sent = typeof input === 'string' ? { text: input } : input;
    const { runId } = await this.runtime.sendInput(workerId, sent);
    return this.ended(workerId, runId);
  }

  /** Sends an input and returns the first request that is open afterwards. */
  async asked(workerId: string, text: string): Promise<OpenRequest> {
    await this.runtime.sendInput(workerId, { text });
    return this.asking(workerId);
  }

  /** Waits for an open request. */
  async asking(workerId: string): Promise<OpenRequest> {
    for await (const item of this.runtime.observe(workerId, { after: 'start' })) {
      if (item.type !== 'event') continue;
      const [open] = (await this.runtime.listRequests(workerId)).items;
      if (open) return open;
    }
    throw new Error('No request was opened');
  }

  /** Waits for a run to end. */
  async ended(workerId: string, runId: string): Promise<EventData['run.finished']> {
    for await (const item of this.runtime.observe(workerId, { after: 'start' })) {
      if (item.type !== 'event' || item.event.run !== runId) continue;
      if (item.event.type === 'run.finished') return item.event.data;
    }
    throw new Error('The run did not end');
  }

  /** Sends an input and waits for the first output of its run. Returns the id of the run. */
  async begin(workerId: string, text: string): Promise<string> {
    const { runId, cursor } = await this.runtime.sendInput(workerId, { text });
    for await (const item of this.runtime.observe(workerId, { after: cursor })) {
      if (item.type === 'delta') break;
      if (item.type === 'in-flight' && item.messages.length > 0) break;
      if (item.type === 'event' && /^(message|tool)/.test(item.event.type)) break;
    }
    return runId;
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
