import { HttpAgent, type Message } from '@ag-ui/client';
import type { WorkerEvent } from '@worker-runtime/core';
import type { Script } from '@worker-runtime/core/testing';
import {
  type FacadeOptions,
  type FacadeScene,
  type Place,
  startFacade,
} from '@worker-runtime/test-facades/facade-scene';
import type { ExecutionContext } from 'ava';
import { agUi, plugin } from '../src/index.ts';

/** One answer as an agent took it. */
export interface Taken {
  readonly types: readonly string[];
  /** The outcome of the run, or the code and message of its error. */
  readonly end: unknown;
}

/** Runs an agent with the official client, which verifies the order of the events. */
export const take = async (
  agent: HttpAgent,
  parameters: Parameters<HttpAgent['runAgent']>[0] = {},
): Promise<Taken> => {
  const types: string[] = [];
  let end: unknown = null;
  await agent.runAgent(parameters, {
    onEvent: ({ event }) => {
      types.push(event.type);
    },
    onRunFinishedEvent: ({ event }) => {
      end = event.outcome;
    },
    onRunErrorEvent: ({ event }) => {
      end = `${event.code}: ${event.message}`;
    },
  });
  return { types, end };
};

/** Returns what people see of messages, without ids. */
export const shownOf = (messages: readonly Message[]): readonly unknown[] =>
  messages.map((message) => {
    const { role, content } = message;
    const metadata = message.metadata ?? null;
    if (role === 'tool') return [role, message.toolCallId, content, metadata];
    if (role !== 'assistant' || message.toolCalls === undefined) return [role, content];
    return message.toolCalls.map((call) => [
      call.id,
      call.function.name,
      JSON.parse(call.function.arguments),
      call.metadata ?? null,
    ]);
  });

/** Returns what people should see, from the events of a log. Requests are no messages. */
export const shownOfLog = (events: readonly WorkerEvent[]): readonly unknown[] =>
  events.flatMap((event): readonly unknown[] => {
    const { type, data } = event;
    if (type === 'input.accepted')
      return [['user', data.parts.map((part) => (part.type === 'text' ? part.text : '')).join('')]];
    if (type === 'message.completed')
      return data.parts.flatMap((part) =>
        part.type === 'file' ? [] : [[part.type === 'text' ? 'assistant' : part.type, part.text]],
      );
    if (type === 'tool.called')
      return [
        [
          [
            `${event.run}:${data.call}`,
            data.name,
            data.input,
            data.title === undefined ? null : { title: data.title },
          ],
        ],
      ];
    if (type !== 'tool.finished') return [];
    const { output, error, denied } = data;
    const content = error ?? (typeof output === 'string' ? output : JSON.stringify(output));
    const outcome = denied ? 'denied' : error === undefined ? null : 'error';
    return [['tool', `${event.run}:${data.call}`, content, outcome === null ? null : { outcome }]];
  });

export interface Scene extends FacadeScene {
  /** Creates an agent for the Worker `ada`, which holds nothing. */
  readonly agent: (via?: typeof fetch) => HttpAgent;
  readonly post: (body: unknown, worker?: string) => Promise<Response>;
  /** Fails unless the agent holds what the log has. */
  readonly isSameAsLog: (agent: HttpAgent) => Promise<void>;
}

const FACADE = { name: 'ag-ui', plugin, handlerOf: agUi };

/** Starts a runtime with the Worker `ada`, and the façade at one place. The address is that of `ada`. */
export const start = async (
  t: ExecutionContext,
  place: Place,
  script: Script,
  options: FacadeOptions = {},
): Promise<Scene> => {
  const scene = await startFacade(t, place, script, FACADE, options);
  const { runtime, url: base, fetch: send } = scene;
  return {
    ...scene,
    url: `${base}/ada`,
    agent: (via = send) => new HttpAgent({ url: `${base}/ada`, fetch: (url, init) => via(url, init) }),
    post: (body, worker = 'ada') =>
      send(`${base}/${worker}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    async isSameAsLog(agent) {
      const { items } = await runtime.events('ada', { limit: 1_000 });
      t.deepEqual(shownOf(agent.messages), shownOfLog(items));
    },
  };
};
