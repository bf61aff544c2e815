import type { Artifact, Message, Part, StreamResponse, Task } from '@a2a-js/sdk';
import { TaskState } from '@a2a-js/sdk';
import {
  type Client,
  ClientFactory,
  ClientFactoryOptions,
  DefaultAgentCardResolver,
  JsonRpcTransportFactory,
} from '@a2a-js/sdk/client';
import { runtimeClient } from '@worker-runtime/client';
import { Runtime, type RuntimePlugin, type WorkerEvent } from '@worker-runtime/core';
import {
  type Script,
  type ScriptedEngine,
  type ScriptStep,
  scriptedEngine,
} from '@worker-runtime/core/testing';
import { type HttpOptions, http } from '@worker-runtime/plugin-http';
import type { Place } from '@worker-runtime/test-facades/facade-scene';
import { permission, words } from '@worker-runtime/test-facades/facade-script';
import type { ExecutionContext } from 'ava';
import { type A2aOptions, a2a, plugin } from '../src/index.ts';

export interface Scene {
  readonly runtime: Runtime;
  readonly engine: ScriptedEngine;
  /** The address of the agent of the Worker `ada`. */
  readonly url: string;
  readonly client: Client;
  readonly fetch: typeof fetch;
  /** Sends a call of JSON-RPC without the client. */
  readonly call: (
    method: string,
    params: unknown,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<Response>;
}

/** Returns a `fetch` that sends a token. */
export const withToken =
  (token: string): typeof fetch =>
  (input, init) => {
    const headers = new Headers(init?.headers);
    headers.set('authorization', `Bearer ${token}`);
    return fetch(input, { ...init, headers });
  };

/** Creates the official client from the card of an agent. */
export const clientOf = (url: string, fetchImpl: typeof fetch): Promise<Client> =>
  new ClientFactory(
    ClientFactoryOptions.createFrom(ClientFactoryOptions.default, {
      transports: [new JsonRpcTransportFactory({ fetchImpl })],
      cardResolver: new DefaultAgentCardResolver({ fetchImpl }),
    }),
  ).createFromUrl(`${url}/`);

/** Starts a runtime with the Worker `ada`, and the façade at one place. */
export const start = async (
  t: ExecutionContext,
  place: Place,
  script: Script,
  options: {
    readonly http?: HttpOptions;
    readonly facade?: A2aOptions;
    readonly files?: readonly string[];
  } = {},
): Promise<Scene> => {
  const engine = scriptedEngine(script);
  const web = http({ port: 0, ...options.http });
  const facade = plugin();
  facade.mountOn(web);
  const scripted: RuntimePlugin = { name: 'scripted', apply: (host) => host.useEngine(engine) };
  const runtime = await Runtime.start({ plugins: [web, facade, scripted] });
  t.teardown(() => runtime.stop({ deadlineMs: 500 }));
  await runtime.createWorker({ engine: 'scripted', workerId: 'ada', displayName: 'Ada' });
  const handler = a2a(place === 'embedded' ? runtime : runtimeClient({ url: web.url }), options.facade);
  const base = place === 'mounted' ? `${web.url}/v1/runtimes/self/x/a2a` : 'http://facade.example/agents';
  const through: typeof fetch =
    place === 'mounted' ? fetch : async (input, init) => handler(new Request(input, init));
  const url = `${base}/ada`;
  const isOpen = options.http?.tokens === undefined;
  return {
    runtime,
    engine,
    url,
    client: isOpen ? await clientOf(url, through) : (undefined as never),
    fetch: through,
    call: (method, params, headers = {}) =>
      through(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'a2a-version': '1.0', ...headers },
        body: JSON.stringify({ jsonrpc: '2.0', id: 7, method, params }),
      }),
  };
};

let messages = 0;

/** Returns the parameters with which a client sends a text. */
export const textMessage = (
  text: string,
  {
    taskId = '',
    messageId = `m${++messages}`,
  }: { readonly taskId?: string; readonly messageId?: string } = {},
) => sending([{ content: { $case: 'text', value: text } }], { taskId, messageId });

/** Returns the parameters with which a client sends data. */
export const dataMessage = (data: unknown, { taskId = '' }: { readonly taskId?: string } = {}) =>
  sending([{ content: { $case: 'data', value: data } }], { taskId, messageId: `m${++messages}` });

export const sending = (
  parts: readonly Pick<Part, 'content'>[],
  { taskId, messageId }: { readonly taskId: string; readonly messageId: string },
) => ({
  tenant: '',
  message: {
    messageId,
    contextId: '',
    taskId,
    role: 1,
    parts: parts.map((part) => ({ metadata: undefined, filename: '', mediaType: '', ...part })),
    metadata: undefined,
    extensions: [],
    referenceTaskIds: [],
  },
  configuration: undefined,
  metadata: undefined,
});

const textOf = (parts: readonly Part[]): string =>
  parts.map(({ content }) => (content?.$case === 'text' ? content.value : `<${content?.$case}>`)).join('');

/** One task as a client holds it, folded from a stream. */
export class Held {
  task: Task | null = null;
  readonly states: string[] = [];
  readonly progress: string[] = [];

  apply({ payload }: StreamResponse): void {
    switch (payload?.$case) {
      case 'task':
        this.task = payload.value;
        this.#note(payload.value.status?.state);
        break;
      case 'statusUpdate': {
        const { status } = payload.value;
        if (this.task && status) this.task = { ...this.task, status };
        this.#note(status?.state);
        if (status?.state === TaskState.TASK_STATE_WORKING && status.message)
          this.progress.push(textOf(status.message.parts));
        break;
      }
      case 'artifactUpdate': {
        const { artifact, append } = payload.value;
        if (this.task && artifact) this.task = { ...this.task, artifacts: this.#with(artifact, append) };
        break;
      }
      default:
        throw new Error('An unknown item');
    }
  }

  get id(): string {
    return this.task?.id ?? '';
  }

  get state(): string {
    return stateOf(this.task);
  }

  /** The text of each artifact, in order. An artifact that was made void has none. */
  get texts(): readonly string[] {
    return textsOf(this.task);
  }

  #note(state: TaskState | undefined): void {
    const name = TaskState[state ?? 0]?.replace('TASK_STATE_', '') ?? '';
    if (this.states.at(-1) !== name) this.states.push(name);
  }

  #with(artifact: Artifact, append: boolean): Artifact[] {
    const all = this.task?.artifacts ?? [];
    const known = all.find(({ artifactId }) => artifactId === artifact.artifactId);
    if (!known) return [...all, artifact];
    const parts = append ? [...known.parts, ...artifact.parts] : artifact.parts;
    return all.map((each) => (each === known ? { ...artifact, parts } : each));
  }
}

export const stateOf = (task: Task | null): string =>
  TaskState[task?.status?.state ?? 0]?.replace('TASK_STATE_', '') ?? '';

export const textsOf = (task: Task | null): readonly string[] =>
  (task?.artifacts ?? []).map(({ parts }) => textOf(parts)).filter((text) => text !== '');

/** Returns the texts that a task should have, from the events of a log. */
export const textsOfLog = (events: readonly WorkerEvent[], run: string): readonly string[] =>
  events.flatMap((event) =>
    event.type === 'message.completed' && event.run === run
      ? event.data.parts.flatMap((part) => (part.type === 'text' ? [part.text] : []))
      : [],
  );

/** Folds a stream to its end. */
export const held = async (stream: AsyncIterable<StreamResponse>, into = new Held()): Promise<Held> => {
  for await (const item of stream) into.apply(item);
  return into;
};

/** Returns the task of an answer to a message. */
export const taskIn = (answer: Task | Message): Task => {
  if (!('status' in answer)) throw new Error('The answer is a message');
  return answer;
};

/** An answer with all kinds of parts. */
export const rich: readonly ScriptStep[] = [
  { type: 'step-start', model: 'm1' },
  { type: 'reasoning', text: 'I should read' },
  ...words('Let ', 'me ', 'see.'),
  { type: 'message' },
  { type: 'tool-call', call: 'c1', name: 'read', title: 'Read notes', input: { path: '/srv/canary-input' } },
  { type: 'tool-result', call: 'c1', output: 'canary-output' },
  ...words('Reading', ' on.'),
  { type: 'message' },
  { type: 'tool-call', call: 'c2', name: 'write', input: { path: 'notes' } },
  permission('c2', (decision) => [
    decision === 'yes'
      ? { type: 'tool-result', call: 'c2', output: 'written' }
      : { type: 'tool-result', call: 'c2', error: 'refused', denied: true },
  ]),
  { type: 'step-finish', finish: 'tool-calls' },
  { type: 'step-start', model: 'm1' },
  ...words('All ', 'done ', '😀', '.'),
  { type: 'message' },
  { type: 'step-finish', finish: 'stop' },
];

export const RICH_TEXTS = ['Let me see.', 'Reading on.', 'All done 😀.'];

/** Resolves when the log has an event of a type after a position. */
export const logged = async ({ runtime }: Pick<Scene, 'runtime'>, type: string, after = 0): Promise<void> => {
  for await (const item of runtime.observe('ada', { after: after === 0 ? 'start' : `@${after}` }))
    if (item.type === 'event' && type === item.event.type) return;
};
