import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Logger, RuntimeError } from '@worker-runtime/core';
import { methodNotAllowed, Reads, STATUS_OF } from '@worker-runtime/core/plugin-kit';
import type { Access } from './access/access.ts';
import type { ConnectionLimit } from './access/connection-limit.ts';
import type { HostCheck } from './access/host-check.ts';
import { type Directory, isOfSeveral } from './directory.ts';
import type { Embedder } from './embedder.ts';
import { logRefusal } from './errors/answer-error.ts';
import { protocolError, refuseSocket } from './errors/raw-problem.ts';
import { BodyLimit } from './exchange/body-limit.ts';
import { Exchanges } from './exchange/exchanges.ts';
import { Gate } from './exchange/gate.ts';
import { answerHalfClosed } from './exchange/half-closed.ts';
import { correlationIdOf } from './logging/correlation.ts';
import type { Measurements } from './metrics/measurements.ts';
import type { Mount } from './mount.ts';
import type { ResolvedOptions } from './options.ts';
import { takePlainTarget } from './request-target.ts';
import type { RouteTable } from './route-table.ts';
import { acrossRoutes } from './routes/across.ts';
import { bundleRoutes } from './routes/bundles.ts';
import { commandRoutes } from './routes/commands.ts';
import { type ConsoleFiles, consoleRoutes } from './routes/console.ts';
import type { RouteContext } from './routes/context.ts';
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
import { AnswerLimit } from './traffic/answer-limit.ts';
import type { ByteTotal } from './traffic/byte-total.ts';
import type { Turns } from './traffic/turns.ts';

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

/** Creates the server. */
export const createApp = (parts: AppParts): Server => {
  const { options, turns, embedder = {}, connections, log } = parts;
  const server = createServer({
    maxHeaderSize: options.headerBytes,
    headersTimeout: options.requestTimeoutMs,
    // Node compares the two when it creates the server
    requestTimeout: 2 * options.requestTimeoutMs,
    connectionsCheckingInterval: Math.min(5_000, options.requestTimeoutMs),
    keepAliveTimeout: options.idleTimeoutMs,
    // otherwise Node itself answers a request without a Host, and not with a problem
    requireHostHeader: false,
    ...upgradesWithoutBody(),
  });
  // `headerBytes` is the limit: beyond a number of headers Node would drop the rest without a word
  server.maxHeadersCount = 0;
  addRoutes(parts);
  const exchanges = new Exchanges({
    ...parts,
    gate: new Gate(parts),
    bodies: new BodyLimit(parts.bodies, options.bodyBytes, log),
    answers: new AnswerLimit(parts.answers, log),
    record: embedder.record,
    addressOf: options.addressOf,
  });
  const inTurn = turns.inTurn((request, response) => exchanges.begin(request, response));
  const take = (request: IncomingMessage, response: ServerResponse): void => {
    takePlainTarget(request, embedder.prefix);
    inTurn(request, response);
  };
  server.on('request', take);
  // otherwise Node itself asks for a body that is then refused, and answers other expectations, both before the gate
  server.on('checkContinue', take);
  server.on('checkExpectation', take);
  server.on('clientError', (error, socket) => {
    // an error of the system is the end of the connection
    if ('syscall' in error) socket.destroy();
    else refuseConnection(parts, protocolError(error), socket);
  });
  // without a listener Node closes the connection of a client that takes the server for a proxy
  server.on('connect', (_request, socket) => refuseConnection(parts, methodNotAllowed(), socket));
  connections.watch(server);
  answerHalfClosed(server, turns);
  return server;
};

const addRoutes = (parts: AppParts): void => {
  const { directory, options, streams, mounted, connections, embedder = {}, routes } = parts;
  const context: RouteContext = { directory, streams, mounted, connections, reads: new Reads(PAGES_AT_ONCE) };
  const { root, ofRuntime } = routes;
  healthRoutes(root, context);
  contractRoutes(routes, embedder)(root, context);
  if (parts.consoleFiles) consoleRoutes(parts.consoleFiles)(root, context);
  metricsRoute(parts.measurements)(root, context);
  runtimesRoute(root, context);
  pricesRoute(options.prices)(root, context);
  if (isOfSeveral(directory)) acrossRoutes(directory)(root, context);
  embedderRoutes(embedder.routes ?? [])(root, context);
  for (const add of [...RUNTIME_ROUTES, mountRoutes(parts.mounts ?? [])]) add(ofRuntime, context);
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

/**
 * Answers a request that is malformed, too large or too slow, or wants a tunnel, if nothing was written to the connection yet. The answer to a whole
 * request that is in progress comes first, and is then the last one.
 */
const refuseConnection = (
  { log, turns, measurements }: AppParts,
  refusal: RuntimeError,
  socket: Parameters<typeof refuseSocket>[0],
): void => {
  if (!socket.writable || turns.hasAnswered(socket)) {
    socket.destroy();
    return;
  }
  if (turns.endAfterAnswer(socket)) return;
  const correlationId = correlationIdOf(undefined);
  const from = 'remoteAddress' in socket ? socket.remoteAddress : undefined;
  logRefusal(log, refusal, { correlationId, from });
  measurements.answered('other', 'none', STATUS_OF[refusal.code], null);
  measurements.refused(refusal.code);
  refuseSocket(socket, refusal, correlationId);
};
