import type { Script, ScriptStep } from '@worker-runtime/core/testing';
import {
  type FacadeOptions,
  type FacadeScene,
  type Place,
  startFacade,
} from '@worker-runtime/test-facades/facade-scene';
import { permission, words } from '@worker-runtime/test-facades/facade-script';
import type { ExecutionContext } from 'ava';
import OpenAI from 'openai';
import { type OpenAiApiOptions, openAiApi, plugin } from '../src/index.ts';

export interface Scene extends FacadeScene {
  readonly client: OpenAI;
  /** Sends a request to the façade without the client. */
  readonly send: (
    path: string,
    body: unknown,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<Response>;
}

/** Starts a runtime with the Worker `ada`, and the façade at one place. */
export const start = async (
  t: ExecutionContext,
  place: Place,
  script: Script,
  options: FacadeOptions & { readonly api?: OpenAiApiOptions; readonly maxRetries?: number } = {},
): Promise<Scene> => {
  const facade = {
    name: 'openai',
    plugin,
    handlerOf: (runtime: Parameters<typeof openAiApi>[0]) => openAiApi(runtime, options.api),
  };
  const scene = await startFacade(t, place, script, facade, options);
  const { url, fetch: through } = scene;
  return {
    ...scene,
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
