import type { IncomingMessage, Server } from 'node:http';
import { type Logger, RuntimeError } from '@worker-runtime/core';
import type { ServedRuntime } from '@worker-runtime/core/plugin-kit';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { Access } from './access/access.ts';
import { ANYONE, assertMay, type Caller } from './access/caller.ts';
import type { ConnectionLimit } from './access/connection-limit.ts';
import { allowOrigin, answerPreflight, isPreflight } from './access/cors.ts';
import type { HostCheck } from './access/host-check.ts';
import type { RoutePermission } from './access/permission.ts';
import {
  assertReady,
  type Directory,
  isOfSeveral,
  isUpstream,
  type Readiness,
  type Upstream,
  whenToCut,
} from './directory.ts';
import { beforeAnswer, type Embedder } from './embedder.ts';
import { answerError, logRefusal } from './errors/answer-error.ts';
import { typedError } from './errors/framework-error.ts';
import { STATUS_OF } from './errors/problem.ts';
import { protocolError, refuseSocket } from './errors/raw-problem.ts';
import { correlationIdOf } from './logging/correlation.ts';
import { logAnswer } from './logging/request-log.ts';
import type { Measurements } from './metrics/measurements.ts';
import type { Mount } from './mount.ts';
import type { ResolvedOptions } from './options.ts';
import { takePlainTarget } from './request-target.ts';
import type { RouteTable } from './route-table.ts';
import { acrossRoutes } from './routes/across.ts';
import { bundleRoutes } from './routes/bundles.ts';
import { commandRoutes } from './routes/commands.ts';
import { type ConsoleFiles, consoleRoutes } from './routes/console.ts';
import { pathParameter, type RouteContext } from './routes/context.ts';
import { contractRoutes } from './routes/contract.ts';
import { embedderRoutes } from './routes/embedder.ts';
import { fileRoutes } from './routes/files.ts';
import { healthRoutes } from './routes/health.ts';
import { historyRoutes } from './routes/history.ts';
import { metricsRoute } from './routes/metrics.ts';
import { mountRoutes } from './routes/mounts.ts';
import { pricesRoute } from './routes/prices.ts';
import { requestRoutes } from './routes/requests.ts';
import { runtimeRoutes, runtimesRoute } from './routes/runtimes.ts';
import { usageRoute } from './routes/usage.ts';
import { watchRoute } from './routes/watch.ts';
import { workerRoutes } from './routes/workers.ts';
import type { MountedAnswers } from './streams/mounted-answers.ts';
import type { StreamResponses } from './streams/stream-responses.ts';
import { assertRoomForAnswer, limitAnswers } from './traffic/answer-limit.ts';
import { bodyArrived, limitBodies } from './traffic/body-limit.ts';
import type { ByteTotal } from './traffic/byte-total.ts';
import { Reads } from './traffic/reads.ts';
import type { RequestHandler, Turns } from './traffic/turns.ts';
import { acceptJsonBodies } from './wire/json-body.ts';
import { assertKnown } from './wire/query.ts';

export interface AppParts {
  readonly directory: Directory;
  readonly log: Logger;
  readonly options: ResolvedOptions;
  readonly hostCheck: HostCheck;
  readonly access: Access;
  readonly streams: StreamResponses;
  readonly mounted: MountedAnswers;
  readonly connections: ConnectionLimit;
  readonly turns: Turns;
  /** The answers that clients have not read yet. */
  readonly answers: ByteTotal;
  /** The bodies of the requests in progress. */
  readonly bodies: ByteTotal;
  readonly measurements: Measurements;
  readonly routes: RouteTable;
  /** The handlers of other plugins. */
  readonly mounts?: Iterable<Mount>;
  /** The parts of the program around the server. */
  readonly embedder?: Embedder;
  /** The files of the console; null without one. */
  readonly consoleFiles?: ConsoleFiles | null;
  /** True if only an upgrade can get the requested resource. */
  readonly isWebSocket?: (request: IncomingMessage) => boolean;
}

/** The prefix of the routes of a runtime. */
const RUNTIME_PREFIX = '/v1/runtimes/:r';

const RUNTIME_ROUTES = [
  runtimeRoutes,
  workerRoutes,
  commandRoutes,
  fileRoutes,
  requestRoutes,
  historyRoutes,
  usageRoute,
  watchRoute,
  bundleRoutes,
];

/** The most pages that are read at once. Each may have a megabyte. */
const PAGES_AT_ONCE = 64;

/** Creates the server. Every request passes one gate, and every error is answered in one place. */
export const createApp = (parts: AppParts): FastifyInstance => {
  const { directory, options, streams, answers, bodies, log, embedder = {} } = parts;
  const fail = (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply =>
    answerError(parts.log, typedError(error, options.bodyBytes), request, reply);

  const app = fastify({
    http: {
      maxHeaderSize: options.headerBytes,
      headersTimeout: options.requestTimeoutMs,
      // Node compares the two when it creates the server
      requestTimeout: 2 * options.requestTimeoutMs,
      connectionsCheckingInterval: Math.min(5_000, options.requestTimeoutMs),
      // otherwise Node itself answers a request without a Host, and not with a problem
      requireHostHeader: false,
      ...upgradesWithoutBody(),
    },
    bodyLimit: options.bodyBytes,
    requestTimeout: 2 * options.requestTimeoutMs,
    keepAliveTimeout: options.idleTimeoutMs,
    forceCloseConnections: true,
    // a request during the shutdown gets our error answer, not fastify's
    return503OnClosing: false,
    genReqId: (request) => correlationIdOf(request.headers['x-request-id']),
    routerOptions: { maxParamLength: options.headerBytes },
    clientErrorHandler: (error, socket) => answerProtocolError(parts, error, socket),
    frameworkErrors: (error, request, reply) => {
      reply.header('x-request-id', request.id);
      // no hook has seen the request
      request.caller = ANYONE;
      request.from = options.addressOf(request.raw);
      record(request, reply, parts);
      fail(error, request as FastifyRequest, reply as FastifyReply);
    },
  });

  takeTurns(app, parts.turns, embedder);
  const arrived: RouteContext['bodyArrived'] = (request, bytes) => bodyArrived(bodies, request, bytes);
  acceptJsonBodies(app, arrived);
  app.setErrorHandler(fail);
  app.setNotFoundHandler((request) => {
    throw new RuntimeError('ROUTE_NOT_FOUND', undefined, { details: { method: request.method } });
  });
  addGate(app, parts);
  limitBodies(app, bodies, options.bodyBytes, log);
  limitAnswers(app, answers, log);
  recordAnswers(app, parts);

  const { connections, mounted } = parts;
  const reads = new Reads(PAGES_AT_ONCE);
  const context: RouteContext = { directory, streams, mounted, connections, reads, bodyArrived: arrived };
  healthRoutes(app, context);
  contractRoutes(parts.routes, embedder)(app, context);
  if (parts.consoleFiles) consoleRoutes(parts.consoleFiles)(app, context);
  metricsRoute(parts.measurements)(app, context);
  runtimesRoute(app, context);
  pricesRoute(options.prices)(app, context);
  if (isOfSeveral(directory)) acrossRoutes(directory)(app, context);
  embedderRoutes(embedder.routes ?? [])(app, context);
  app.register(
    async (scope) => {
      for (const routes of [...RUNTIME_ROUTES, mountRoutes(parts.mounts ?? [])]) routes(scope, context);
    },
    { prefix: RUNTIME_PREFIX },
  );
  return app;
};

/**
 * Returns the option with which newer versions of Node (24.9 and later) do not offer an upgrade whose request has a body:
 * they would read the body before the upgrade, and an upgrade that is ignored would lose it.
 */
const upgradesWithoutBody = (): object => ({
  shouldUpgradeCallback(this: Server, { headers }: IncomingMessage): boolean {
    const hasBody = headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
    return !hasBody && this.listenerCount('upgrade') > 0;
  },
});

/** Makes the server handle the requests of a connection one after another, and without their prefix. */
const takeTurns = ({ server }: FastifyInstance, turns: Turns, { prefix }: Embedder): void => {
  const handlers = server.listeners('request') as RequestHandler[];
  server.removeAllListeners('request');
  for (const handle of handlers) {
    const inTurn = turns.inTurn(handle);
    server.on('request', (request, response) => {
      takePlainTarget(request, prefix);
      inTurn(request, response);
    });
  }
};

/** Returns the error for a path that no route matches. For a path of another API version it names the supported one. */
const unknownPathError = (url: string): RuntimeError => {
  if (url.split('?', 1)[0] === '/')
    return new RuntimeError(
      'ROUTE_NOT_FOUND',
      'There is nothing at /; the API is below /v1, its documentation at /docs',
    );
  const [, version = '1'] = /^\/v(\d{1,9})\//.exec(url) ?? [];
  if (version === '1') return new RuntimeError('ROUTE_NOT_FOUND');
  return new RuntimeError('VERSION_UNSUPPORTED', 'This runtime supports API version 1 only, below /v1', {
    details: { asked: Number(version), supported: [1] },
  });
};

/**
 * Adds the checks that every request has to pass, in this order, before its body is read. They call back instead of returning
 * promises, because most requests wait for nothing here.
 */
const addGate = (app: FastifyInstance, parts: AppParts): void => {
  const { directory, options, hostCheck, access, connections, answers, routes, isWebSocket } = parts;
  routes.watch(app);
  app.decorateRequest('caller');
  app.decorateRequest('from', null);
  app.decorateRequest('served');
  app.decorateRequest('isStream', false);
  app.decorateRequest('refusal', null);
  connections.watch(app.server);

  // Node parses the bytes behind a request before the next microtask: if they are not HTTP, they are refused before an answer begins
  app.addHook('onRequest', (_request, _reply, done) => queueMicrotask(done));

  app.addHook('onRequest', (request, reply, done) => {
    const { headers, raw } = request;
    request.caller = ANYONE;
    request.from = options.addressOf(raw);
    record(request, reply, parts);
    reply
      .header('x-request-id', request.id)
      .header('cache-control', 'no-store')
      .header('x-content-type-options', 'nosniff');
    if (connections.isRefused(raw.socket)) {
      reply.header('connection', 'close');
      throw connections.limitError;
    }
    const isPublic = neededFor(request) === 'public';
    hostCheck.assert(raw, isPublic);
    if (headers.origin !== undefined && hostCheck.isAllowed(headers.origin)) {
      allowOrigin(reply, headers.origin);
      if (isPreflight(request)) return void answerPreflight(reply, routes.methodsAt(request.url));
    }
    if (isPublic) return done();
    const identified = (caller: Caller): void => {
      request.caller = caller;
      done();
    };
    const caller = access.identify(raw);
    if (!(caller instanceof Promise)) return identified(caller);
    caller.then(identified, done);
  });

  app.addHook('onRequest', (request, reply, done) => {
    const { headers, raw, routeOptions } = request;
    const needed = neededFor(request);
    if (needed !== 'public') assertMay(request.caller, needed);
    const target = targetOf(request, reply, directory);
    const readiness: Readiness = target === null || isUpstream(target) ? directory : target;
    if (!routeOptions.config.isAlwaysServed) assertReady(readiness);
    if (readiness.status !== 'running') reply.header('connection', 'close');
    if (request.is404) {
      const methods = routes.methodsAt(request.url);
      if (methods.length === 0 && isWebSocket?.(raw)) {
        reply.headers({ connection: 'upgrade, close', upgrade: 'websocket' });
        throw new RuntimeError('VERSION_UNSUPPORTED', 'This path needs a WebSocket upgrade', {
          details: { upgrade: 'websocket' },
        });
      }
      if (methods.length === 0) throw unknownPathError(request.url);
      reply.header('allow', methods.join(', '));
      throw new RuntimeError('METHOD_NOT_ALLOWED', undefined, { details: { allowed: methods } });
    }
    const { query = [] } = routeOptions.config;
    if (query !== 'any') assertKnown(request.query, query);
    if ((headers['content-encoding'] ?? 'identity') !== 'identity') {
      throw new RuntimeError('UNSUPPORTED_MEDIA_TYPE', 'Send the body without a content encoding');
    }
    // the body belongs to the other server, so nothing here continues the request
    if (target !== null && isUpstream(target))
      return void passOn(target, request, reply, connections).then(undefined, done);
    assertRoomForAnswer(request, answers);
    if (target !== null) request.served = target;
    done();
  });
};

/** Returns the permission that a request needs. Whether a path exists is revealed only to callers who may observe. */
const neededFor = ({ is404, routeOptions }: FastifyRequest): RoutePermission =>
  is404 ? 'observe' : (routeOptions.config.permission ?? 'admin');

/** Returns the runtime that the path of a known route names; null if the route belongs to no runtime. */
const targetOf = (
  request: FastifyRequest,
  reply: FastifyReply,
  directory: Directory,
): ServedRuntime | Upstream | null => {
  if (request.is404 || !request.routeOptions.url?.startsWith(RUNTIME_PREFIX)) return null;
  return directory.get(pathParameter(request, 'r'), request.caller, reply.raw);
};

/** Passes a request to a runtime elsewhere, which checks what the routes of a served runtime check. Settles after the answer. */
const passOn = async (
  upstream: Upstream,
  request: FastifyRequest,
  reply: FastifyReply,
  connections: ConnectionLimit,
): Promise<void> => {
  // the answer may be a stream or a long wait, which only its head tells
  const release = connections.hold();
  if (release === null) throw connections.heldError;
  const { raw } = reply;
  // the bytes of the answer belong to the runtime, so no closing frame can be put between them
  const stopWait = whenToCut(upstream, request.caller, () => raw.destroy());
  raw.on('close', () => {
    release();
    stopWait();
  });
  const headers = reply.getHeaders();
  for (const name in headers) raw.setHeader(name, headers[name] as string);
  await upstream.pass(request.raw, raw, request.caller);
  request.isStream = true;
  reply.hijack();
};

/** Reports the answer to the embedder before it is sent. */
const record = (
  request: FastifyRequest<never, never, never, never> | FastifyRequest,
  reply: FastifyReply | { readonly raw: FastifyReply['raw'] },
  { embedder, log }: AppParts,
): void => {
  const { record: report } = embedder ?? {};
  if (report === undefined) return;
  beforeAnswer(reply.raw, log, (status, location) => {
    const { raw, caller, from, refusal, id: correlationId } = request as FastifyRequest;
    report({ request: raw, caller, from, status, code: refusal, location, correlationId });
  });
};

/** Counts every answer, and logs the successful ones: an error has a log line already. */
const recordAnswers = (app: FastifyInstance, { log, measurements }: AppParts): void => {
  app.addHook('onResponse', (request, reply, done) => {
    const { method, routeOptions, isStream } = request;
    const { url: route } = routeOptions;
    const isKnown = route !== undefined && !request.is404;
    measurements.answered(
      isKnown ? method : 'other',
      isKnown ? route : 'none',
      reply.statusCode,
      isStream ? null : reply.elapsedTime,
    );
    if (request.refusal !== null) measurements.refused(request.refusal);
    // the error of a mounted handler has no log line yet
    if (reply.statusCode < 400 || request.refusal === null) logAnswer(log, request, reply);
    done();
  });
};

/** Answers a request that is malformed, too large or too slow, if nothing was written to the connection yet. */
const answerProtocolError = (
  { log, turns, measurements }: AppParts,
  error: Error & { readonly code?: string },
  socket: Parameters<typeof refuseSocket>[0],
): void => {
  if (error.code === 'ECONNRESET' || !socket.writable || turns.hasAnswered(socket)) {
    socket.destroy();
    return;
  }
  const refusal = protocolError(error);
  const correlationId = correlationIdOf(undefined);
  const from = 'remoteAddress' in socket ? socket.remoteAddress : undefined;
  logRefusal(log, refusal, { correlationId, from });
  measurements.answered('other', 'none', STATUS_OF[refusal.code], null);
  measurements.refused(refusal.code);
  refuseSocket(socket, refusal, correlationId);
};
