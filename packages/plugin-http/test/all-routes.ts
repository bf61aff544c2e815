import { Runtime, silentLogger } from '@worker-runtime/core';
import { TokenAccess } from '../src/access/access.ts';
import { ConnectionLimit } from '../src/access/connection-limit.ts';
import { HostCheck } from '../src/access/host-check.ts';
import { createApp } from '../src/app.ts';
import { Measurements } from '../src/metrics/measurements.ts';
import { OneRuntime } from '../src/one-runtime.ts';
import { resolveOptions } from '../src/options.ts';
import { type Route, RouteTable } from '../src/route-table.ts';
import { MountedAnswers } from '../src/streams/mounted-answers.ts';
import { StreamResponses } from '../src/streams/stream-responses.ts';
import { ByteTotal } from '../src/traffic/byte-total.ts';
import { Turns } from '../src/traffic/turns.ts';

const none = (): number => 0;

/** Returns all routes of a server that never listens. */
export const allRoutes = (): readonly Route[] => {
  const options = resolveOptions({});
  const routes = new RouteTable(1);
  const runtime = new Runtime();
  const connections = new ConnectionLimit(1);
  createApp({
    directory: new OneRuntime(runtime),
    log: silentLogger,
    options,
    hostCheck: new HostCheck(options),
    access: new TokenAccess([]),
    streams: new StreamResponses(options, connections, new ByteTotal(1), silentLogger),
    mounted: new MountedAnswers(options, connections, new ByteTotal(1), silentLogger),
    connections,
    turns: new Turns(connections),
    answers: new ByteTotal(1),
    bodies: new ByteTotal(1),
    measurements: new Measurements({
      connections: none,
      streams: none,
      answerBytes: none,
      bodyBytes: none,
    }),
    routes,
  });
  return routes.routes;
};
