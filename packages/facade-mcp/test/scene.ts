import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  type CallToolResult,
  ElicitRequestSchema,
  type ElicitResult,
} from '@modelcontextprotocol/sdk/types.js';
import { runtimeClient } from '@worker-runtime/client';
import { Runtime, type RuntimePlugin } from '@worker-runtime/core';
import {
  type Script,
  type ScriptedEngine,
  type ScriptStep,
  scriptedEngine,
} from '@worker-runtime/core/testing';
import { type HttpOptions, http } from '@worker-runtime/plugin-http';
import type { ExecutionContext } from 'ava';
import { mcpServer, plugin } from '../src/index.ts';

/** The ways to reach the façade: in the same program, mounted on a server, and in a gateway to a server. */
export const PLACES = ['embedded', 'mounted', 'gateway'] as const;
export type Place = (typeof PLACES)[number];

/** A form as the person of a client sees it. */
export interface SeenForm {
  readonly message: string;
  readonly requestedSchema: { readonly properties: Readonly<Record<string, unknown>> };
}
export type Person = (form: SeenForm, signal: AbortSignal) => ElicitResult | Promise<ElicitResult>;

/** A client of the official SDK, with the text of the progress that it received. */
export interface Connected {
  readonly client: Client;
  readonly transport: StreamableHTTPClientTransport;
  /** Calls a tool. `text` is what the progress said until now. */
  readonly call: (
    name: string,
    args: Record<string, unknown>,
    options?: { readonly signal?: AbortSignal; readonly onText?: (all: string) => void },
  ) => Promise<CallToolResult>;
  /** The text of the progress of the last call. */
  readonly text: string;
}

export interface Scene {
  readonly runtime: Runtime;
  readonly engine: ScriptedEngine;
  readonly url: string;
  readonly fetch: typeof fetch;
  connect(options?: {
    readonly person?: Person;
    readonly headers?: Readonly<Record<string, string>>;
  }): Promise<Connected>;
}

const PATH = '/v1/runtimes/self/x/mcp';

/** Connects a client of the official SDK. */
export const connectTo = async (
  url: string,
  {
    person,
    headers = {},
    fetch: send = fetch,
  }: {
    readonly person?: Person | undefined;
    readonly headers?: Readonly<Record<string, string>>;
    readonly fetch?: typeof fetch;
  } = {},
): Promise<Connected> => {
  const client = new Client(
    { name: 'test', version: '1' },
    { capabilities: person ? { elicitation: { form: {} } } : {} },
  );
  if (person)
    client.setRequestHandler(ElicitRequestSchema, ({ params }, { signal }) =>
      person(params as unknown as SeenForm, signal),
    );
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    fetch: send as NonNullable<ConstructorParameters<typeof StreamableHTTPClientTransport>[1]>['fetch'] & {},
    requestInit: { headers },
    reconnectionOptions: {
      maxRetries: 0,
      initialReconnectionDelay: 10,
      maxReconnectionDelay: 10,
      reconnectionDelayGrowFactor: 1,
    },
  });
  await client.connect(transport as Transport);
  let text = '';
  return {
    client,
    transport,
    async call(name, args, { signal, onText } = {}) {
      text = '';
      return (await client.callTool({ name, arguments: args }, undefined, {
        timeout: 60_000,
        ...(signal && { signal }),
        onprogress: ({ message = '' }) => {
          text += message;
          onText?.(text);
        },
      })) as CallToolResult;
    },
    get text() {
      return text;
    },
  };
};

/** Starts a runtime with the Worker `ada`, and the façade at one place. */
export const start = async (
  t: ExecutionContext,
  place: Place,
  script: Script,
  options: { readonly http?: HttpOptions; readonly plugins?: readonly RuntimePlugin[] } = {},
): Promise<Scene> => {
  const engine = scriptedEngine(script);
  const web = http({ port: 0, ...options.http });
  const facade = plugin();
  facade.mountOn(web);
  const scripted: RuntimePlugin = { name: 'scripted', apply: (host) => host.useEngine(engine) };
  const runtime = await Runtime.start({ plugins: [web, facade, scripted, ...(options.plugins ?? [])] });
  t.teardown(() => runtime.stop({ deadlineMs: 500 }));
  await runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  const handler = mcpServer(place === 'embedded' ? runtime : runtimeClient({ url: web.url }));
  const url = place === 'mounted' ? web.url + PATH : 'http://façade.example/mcp';
  const send: typeof fetch =
    place === 'mounted' ? fetch : async (input, init) => handler(new Request(input, init));
  return {
    runtime,
    engine,
    url,
    fetch: send,
    connect: ({ person, headers = {} } = {}) => connectTo(url, { person, headers, fetch: send }),
  };
};

/** Returns the text blocks of a result, joined. */
export const textOf = ({ content }: CallToolResult): string =>
  content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('');

export const words = (...all: readonly string[]): readonly ScriptStep[] =>
  all.map((text) => ({ type: 'text', text }));

export const permission = (
  call: string,
  reply: (decision: string | null) => readonly ScriptStep[],
): ScriptStep => ({
  type: 'ask',
  question: {
    kind: 'permission',
    prompt: 'Write the file?',
    call,
    options: [
      { id: 'yes', label: 'Write', kind: 'allow-once' },
      { id: 'no', label: 'Refuse', kind: 'reject-once' },
    ],
  },
  reply: ({ decision }) => reply(decision),
});

/** An answer with all kinds of parts. */
export const rich: readonly ScriptStep[] = [
  { type: 'step-start', model: 'm1' },
  { type: 'reasoning', text: 'I should read' },
  ...words('Let ', 'me ', 'see.'),
  { type: 'message' },
  { type: 'tool-call', call: 'c1', name: 'read', title: 'Read notes', input: { path: 'notes' } },
  { type: 'tool-result', call: 'c1', output: { lines: 3 } },
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

/** Resolves when the log has a later event. */
export const logged = async (
  { runtime }: Pick<Scene, 'runtime'>,
  after: number,
  type?: string,
): Promise<void> => {
  for await (const item of runtime.observe('ada', { after: after === 0 ? 'start' : `@${after}` }))
    if (item.type === 'event' && (type ?? item.event.type) === item.event.type) return;
};
