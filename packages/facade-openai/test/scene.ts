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
import OpenAI from 'openai';
import { type OpenAiApiOptions, openAiApi, plugin } from '../src/index.ts';

/** The ways to reach the façade: in the same program, mounted on a server, and in a gateway to a server. */
export const PLACES = ['embedded', 'mounted', 'gateway'] as const;
export type Place = (typeof PLACES)[number];

export interface Scene {
  readonly runtime: Runtime;
  readonly engine: ScriptedEngine;
  readonly url: string;
  readonly client: OpenAI;
  /** Sends a request to the façade without the client. */
  readonly send: (
    path: string,
    body: unknown,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<Response>;
}

export const PATH = '/v1/runtimes/self/x/openai';

/** Starts a runtime with the Worker `ada`, and the façade at one place. */
export const start = async (
  t: ExecutionContext,
  place: Place,
  script: Script,
  options: {
    readonly http?: HttpOptions;
    readonly api?: OpenAiApiOptions;
    readonly maxRetries?: number;
  } = {},
): Promise<Scene> => {
  const engine = scriptedEngine(script);
  const web = http({ port: 0, ...options.http });
  const facade = plugin();
  facade.mountOn(web);
  const scripted: RuntimePlugin = { name: 'scripted', apply: (host) => host.useEngine(engine) };
  const runtime = await Runtime.start({ plugins: [web, facade, scripted] });
  t.teardown(() => runtime.stop({ deadlineMs: 500 }));
  await runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  const handler = openAiApi(place === 'embedded' ? runtime : runtimeClient({ url: web.url }), options.api);
  const url = place === 'mounted' ? web.url + PATH : 'http://façade.example/v1';
  const through: typeof fetch =
    place === 'mounted' ? fetch : async (input, init) => handler(new Request(input, init));
  return {
    runtime,
    engine,
    url,
    client: new OpenAI({
      apiKey: 'none',
      baseURL: url,
      fetch: through as NonNullable<ConstructorParameters<typeof OpenAI>[0]>['fetch'] & {},
      maxRetries: options.maxRetries ?? 0,
    }),
    send: (path, body, headers = {}) =>
      through(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
  };
};

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
  { type: 'reasoning', text: 'I sho' },
  { type: 'reasoning', text: 'uld read' },
  ...words('Let ', 'me ', 'see.'),
  { type: 'message' },
  { type: 'tool-call', call: 'c1', name: 'read', title: 'Read notes', input: { path: 'notes' } },
  { type: 'tool-call', call: 'c0', name: 'list', input: {} },
  { type: 'tool-result', call: 'c1', output: { lines: 3 } },
  ...words('Reading.'),
  { type: 'message' },
  { type: 'tool-result', call: 'c0', error: 'no such folder' },
  { type: 'usage', model: 'm1', inputTokens: 10, outputTokens: 5, cacheReadTokens: 4 },
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
  { type: 'usage', model: 'm1', inputTokens: 20, outputTokens: 7 },
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
