import { hash } from 'node:crypto';
import type { WorkerDetail } from '@worker-runtime/core';
import {
  decodedName,
  FILES_AT_ONCE,
  fileHeaders,
  methodNotAllowed,
  problemAnswer,
  Reads,
  routeIn,
  type Serving,
} from '@worker-runtime/core/plugin-kit';
import type { A2aRuntime, Exchange } from './a2a-runtime.ts';
import { type AgentDescription, agentCardOf } from './agent-card.ts';
import { answerRpc } from './rpc.ts';

export interface A2aOptions {
  /**
   * Returns the Worker of an agent, for example after a check of the caller. A RuntimeError refuses the request. Default: the name of the
   * agent is the id of the Worker.
   */
  readonly workerOf?: (agent: string, request: Request) => string | Promise<string>;
  /** Returns what the card of an agent should say of it. */
  readonly describe?: (worker: WorkerDetail, agent: string) => AgentDescription;
  /**
   * The scheme and host under which clients reach the agents, such as `https://agents.example`, for cards and files. Default: those of
   * the request, which a proxy may have changed.
   */
  readonly origin?: string;
  /** The largest body, in bytes; else PAYLOAD_TOO_LARGE. Default 1 MiB. */
  readonly bodyBytes?: number;
}

const ROUTE = /\/([^/]+)(?:\/(\.well-known\/agent-card\.json)|\/files\/(sha256-[0-9a-f]{64}))?\/?$/;

const cardAnswer = async (
  { runtime, workerId, agent, url }: Exchange,
  { describe }: A2aOptions,
  isIdentified: boolean,
): Promise<Response> => {
  const worker = await runtime.getWorker(workerId);
  const body = JSON.stringify(agentCardOf(agent, url, worker, describe?.(worker, agent) ?? {}, isIdentified));
  const etag = `"${hash('sha256', body, 'hex').slice(0, 32)}"`;
  return new Response(body, {
    headers: { 'content-type': 'application/json', 'cache-control': 'private, max-age=60', etag },
  });
};

/** The files of all agents that are read now. */
const reads = new Reads(FILES_AT_ONCE);

const fileAnswer = async ({ runtime, workerId }: Exchange, digest: string): Promise<Response> => {
  const { bytes, mediaType } = await reads.run(() => runtime.getFile(workerId, digest));
  return new Response(new Uint8Array(bytes), {
    headers: {
      ...fileHeaders(mediaType),
      'x-content-type-options': 'nosniff',
      'cache-control': 'private, max-age=31536000, immutable',
    },
  });
};

/** Answers one request of a client. @throws the errors of the runtime for cards and files; those of calls become answers */
export const answerA2a = async (
  runtime: A2aRuntime,
  options: A2aOptions,
  request: Request,
  serving: Serving,
): Promise<Response> => {
  const { actor = null, ending } = serving;
  const { pathname, origin } = new URL(request.url);
  const [route, name = '', card, digest] = routeIn(ROUTE, request, serving);
  const isCall = card === undefined && digest === undefined;
  const method = isCall ? 'POST' : 'GET';
  if (request.method !== method) throw methodNotAllowed(method);
  const agent = decodedName(name);
  const exchangeOf = async (): Promise<Exchange> => ({
    runtime,
    request,
    call: actor === null ? {} : { actor },
    ending: ending ?? null,
    agent,
    workerId: (await options.workerOf?.(agent, request)) ?? agent,
    url: `${options.origin ?? origin}${pathname.slice(0, -route.length)}/${name}`,
  });
  if (isCall) return answerRpc(exchangeOf, request, options.bodyBytes ?? 1_048_576);
  const exchange = await exchangeOf();
  return digest === undefined ? cardAnswer(exchange, options, actor !== null) : fileAnswer(exchange, digest);
};

/**
 * Creates a handler of the Fetch API for clients of A2A 1.0, over an embedded or a remote runtime. An agent is a Worker: calls of JSON-RPC at
 * `…/<agent>`, its card at `…/<agent>/.well-known/agent-card.json`, and its files below. Any error becomes an answer.
 * @example
 * const handler = a2a(runtime);
 * app.all('/agents/*', (c) => handler(c.req.raw)); // Hono
 */
export const a2a = (
  runtime: A2aRuntime,
  options: A2aOptions = {},
): ((request: Request) => Promise<Response>) => {
  return async (request) => {
    try {
      return await answerA2a(runtime, options, request, {});
    } catch (error) {
      return problemAnswer(error);
    }
  };
};
