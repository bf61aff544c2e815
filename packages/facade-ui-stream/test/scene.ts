import type { Script } from '@worker-runtime/core/testing';
import {
  type FacadeOptions,
  type FacadeScene,
  type Place,
  startFacade,
} from '@worker-runtime/test-facades/facade-scene';
import {
  DefaultChatTransport,
  lastAssistantMessageIsCompleteWithApprovalResponses,
  type UIMessage,
} from 'ai';
import type { ExecutionContext } from 'ava';
import { plugin, uiStream } from '../src/index.ts';
import { HeadlessChat } from './headless-chat.ts';

export interface Scene extends FacadeScene {
  /** Opens a chat with the Worker `ada`, as a page does: with its history. */
  readonly open: () => Promise<HeadlessChat>;
  readonly post: (body: unknown) => Promise<Response>;
}

const FACADE = { name: 'ui-stream', plugin, handlerOf: uiStream };

/** Starts a runtime with the Worker `ada`, and the façade at one place. */
export const start = async (
  t: ExecutionContext,
  place: Place,
  script: Script,
  options: FacadeOptions = {},
): Promise<Scene> => {
  const scene = await startFacade(t, place, script, FACADE, options);
  const { url: api, fetch: send } = scene;
  return {
    ...scene,
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
