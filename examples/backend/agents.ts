// The agents of a product, as a plugin of its own Fastify app. The app knows its users; the policy says which Workers exist for
// each of them, and the registry has the runtimes.
import { explain, type Person, type Rule, scopeOf } from '@worker-runtime/backend';
import { RuntimeError } from '@worker-runtime/core';
import type { Caller, Registry } from '@worker-runtime/registry';
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';

declare module 'fastify' {
  interface FastifyRequest {
    /** The user of the product, with the part of the runtimes that exists for the user. */
    agentCaller: Caller | null;
  }
}

export interface AgentsOptions {
  readonly registry: Registry;
  readonly rules: readonly Rule[];
  /** The workspace of the rules, and of the label that new Workers get. */
  readonly workspace: string;
  /** Returns the user of a request, by the login of the product; null if there is none. */
  readonly userOf: (request: FastifyRequest) => Person | null;
}

const STATUS: Readonly<Record<string, number>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  RUNTIME_NOT_FOUND: 404,
  WORKER_NOT_FOUND: 404,
  LIMIT_REACHED: 429,
  INTERNAL: 500,
  RUNTIME_UNREACHABLE: 503,
};

interface AgentPath {
  readonly runtime: string;
  readonly worker: string;
}

/** Refuses requests that a page of another site makes a browser send, with the cookie of the product. */
const assertOwnPage = ({ headers }: FastifyRequest): void => {
  const { origin, host = '', 'sec-fetch-site': site = 'none' } = headers;
  const isOwn = origin === undefined || (URL.canParse(origin) && new URL(origin).host === host);
  if (!isOwn || (site !== 'none' && site !== 'same-origin'))
    throw new RuntimeError('FORBIDDEN', 'A page of another site sent this request');
};

export const agents: FastifyPluginAsync<AgentsOptions> = async (app, options) => {
  const { registry, rules, workspace, userOf } = options;
  // a form of another site can send text, but no JSON
  app.removeContentTypeParser('text/plain');
  app.decorateRequest('agentCaller', null);
  app.addHook('onRequest', async (request) => {
    assertOwnPage(request);
    const user = userOf(request);
    if (user === null) throw new RuntimeError('UNAUTHENTICATED', 'Log in');
    const { grant } = explain(rules, user, workspace);
    if (grant === null) throw new RuntimeError('FORBIDDEN', 'This product has no agents for you');
    const { name } = user;
    request.agentCaller = { name, scope: scopeOf(grant, user, workspace), runtimes: grant.runtimes };
  });
  app.setErrorHandler((error, _request, reply) => {
    const known = error instanceof RuntimeError ? error : null;
    // an error of fastify itself has its status, such as 415
    const status = known
      ? (STATUS[known.code] ?? 409)
      : ((error as { statusCode?: number }).statusCode ?? 500);
    const { code, message } = known ?? { code: 'REFUSED', message: 'The request was refused' };
    reply.code(status).send({ code, message });
  });

  const callerOf = ({ agentCaller }: FastifyRequest): Caller => {
    if (agentCaller === null) throw new RuntimeError('UNAUTHENTICATED');
    return agentCaller;
  };
  app.get('/', async (request) => registry.workers({}, callerOf(request)));
  app.post<{ Params: { runtime: string }; Body: { engine: string } }>('/:runtime', async (request) => {
    const { engine } = request.body;
    return registry.runtime(request.params.runtime, callerOf(request)).createWorker({ engine });
  });
  app.get<{ Params: AgentPath }>('/:runtime/:worker', async (request) => {
    const { runtime, worker } = request.params;
    return registry.runtime(runtime, callerOf(request)).transcript(worker, { before: 'end' });
  });
  app.post<{ Params: AgentPath; Body: { text: string } }>('/:runtime/:worker', async (request) => {
    const { runtime, worker } = request.params;
    const { text } = request.body;
    return registry.runtime(runtime, callerOf(request)).sendInput(worker, { text }, { waitMs: 30_000 });
  });
};
