import { runtimeClient } from '@worker-runtime/client';
import { Runtime, type RuntimePlugin } from '@worker-runtime/core';
import { type Script, type ScriptedEngine, scriptedEngine } from '@worker-runtime/core/testing';
import { type HttpOptions, http } from '@worker-runtime/plugin-http';
import {
  DefaultChatTransport,
  lastAssistantMessageIsCompleteWithApprovalResponses,
  type UIMessage,
} from 'ai';
import type { ExecutionContext } from 'ava';
import { plugin, uiStream } from '../src/index.ts';
import { HeadlessChat } from './headless-chat.ts';

/** The ways to reach the façade: in the same program, mounted on a server, and in a gateway to a server. */
export const PLACES = ['embedded', 'mounted', 'gateway'] as const;
export type Place = (typeof PLACES)[number];

export interface Scene {
  readonly runtime: Runtime;
  readonly engine: ScriptedEngine;
  readonly api: string;
  /** Sends a request to the façade. */
  readonly fetch: typeof fetch;
  /** Opens a chat with the Worker `ada`, as a page does: with its history. */
  readonly open: () => Promise<HeadlessChat>;
  readonly post: (body: unknown) => Promise<Response>;
}

const PATH = '/v1/runtimes/self/x/ui-stream';

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
  const handler = uiStream(place === 'embedded' ? runtime : runtimeClient({ url: web.url }));
  const api = place === 'mounted' ? web.url + PATH : 'http://façade.example/api/chat';
  const send: typeof fetch =
    place === 'mounted' ? fetch : async (input, init) => handler(new Request(input, init));
  return {
    runtime,
    engine,
    api,
    fetch: send,
    async open() {
      const answer = await send(`${api}/ada`);
      const { messages, run } = (await answer.json()) as {
        readonly messages: UIMessage[];
        readonly run: string | null;
      };
      const stream = `${api}/ada/stream${run === null ? '' : `?run=${run}`}`;
      return new HeadlessChat({
        id: 'ada',
        messages,
        transport: new DefaultChatTransport<UIMessage>({
          api,
          fetch: send,
          prepareReconnectToStreamRequest: () => ({ api: stream }),
        }),
        sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
      });
    },
    post: (body) =>
      send(api, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
  };
};
