import { fork } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { silentLogger } from '@worker-runtime/core';
import { UNLIMITED } from '@worker-runtime/core/scope';
import { HttpServer } from '@worker-runtime/plugin-http';
import { SocketServer } from '@worker-runtime/plugin-ws';
import { Registry, type RemoteSource } from '@worker-runtime/registry';
import { heldBytes } from './held-bytes.ts';
import { get, inputOf, load, workerIds } from './http.ts';
import type { Loaded } from './http-client-process.ts';
import type { Bench } from './measurement.ts';
import { longLog, measureCatchUp, SUBSCRIBE } from './observing.ts';
import { ReaderProcess, streamOf, upgradeTo } from './reader-process.ts';
import { inScratch } from './scratch.ts';

const PROGRAM = new URL('remote-runtime-process.ts', import.meta.url).pathname;
const CONNECTIONS = 16;
const PAGES = 6_000;
const INPUTS = 6_000;

interface Remote {
  readonly port: number;
  readonly runtimeId: string;
}

/** Runs a runtime in another process until `use` has resolved. */
const withStore = async <T>(dir: string, use: (remote: Remote) => Promise<T>): Promise<T> => {
  const child = fork(PROGRAM, [dir], { execArgv: ['--import=tsx'] });
  const [remote] = (await once(child, 'message')) as [Remote];
  try {
    return await use(remote);
  } finally {
    child.disconnect();
    await once(child, 'exit');
  }
};

/** Runs a runtime with a new store in another process until `use` has resolved. */
const withRemote = <T>(use: (remote: Remote) => Promise<T>): Promise<T> =>
  inScratch((dir) => withStore(dir, use));

/** Runs the server of a registry with this remote runtime in this process until `use` has resolved. */
const withHop = async <T>(
  { port, runtimeId }: Remote,
  use: (port: number) => Promise<T>,
  others: readonly RemoteSource[] = [],
): Promise<T> => {
  const registry = new Registry([{ name: 'far', url: `http://127.0.0.1:${port}`, runtimeId }, ...others]);
  const server = new HttpServer(registry, { port: 0 }, silentLogger);
  const sockets = new SocketServer({}, silentLogger);
  sockets.listenOn(server);
  const caller = { name: null, scope: UNLIMITED, expiresAt: null, withdrawn: null };
  await server.listen({ isOpen: true, identify: () => caller, identifyUpgrade: () => caller });
  try {
    return await use(Number(new URL(server.url).port));
  } finally {
    sockets.close();
    await server.close();
    registry.close();
  }
};

type Measured<T> = (port: number, runtimeId: string) => Promise<T>;

const through = <T>(measured: Measured<T>): Promise<T> =>
  withRemote((remote) => withHop(remote, (port) => measured(port, remote.runtimeId)));
const direct = <T>(measured: Measured<T>): Promise<T> =>
  withRemote(({ port, runtimeId }) => measured(port, runtimeId));

const readPages =
  (connections: number, total: number): Measured<Loaded> =>
  (port, runtimeId) => {
    const path = `/v1/runtimes/${runtimeId}/workers/ada/events?after=start&limit=100`;
    const requests = Array.from({ length: connections }, () => get(path, 'application/x-ndjson'));
    return load({ port, requests, status: 200, total });
  };

const sendInputs: Measured<Loaded> = (port, runtimeId) => {
  const requests = workerIds(CONNECTIONS).map((workerId) => inputOf(workerId, runtimeId));
  return load({ port, requests, status: 200, total: INPUTS });
};

/** Measures pages of a remote runtime through a registry. The hop is a second server for each byte. */
export const pagesThroughRegistry: Bench = {
  id: 'B13',
  what: `pages of 100 events of a remote runtime through a registry, over ${CONNECTIONS} connections, vs direct`,
  unit: 'pages/s',
  better: 'more',
  goal: 0.45,
  floor: async () => (await direct(readPages(CONNECTIONS, PAGES))).perSecond,
  figure: async () => (await through(readPages(CONNECTIONS, PAGES))).perSecond,
};

/** Measures inputs of a remote runtime through a registry. */
export const inputsThroughRegistry: Bench = {
  id: 'B13i',
  what: `durable inputs with their whole runs of a remote runtime through a registry, over ${CONNECTIONS} connections, vs direct`,
  unit: 'inputs/s',
  better: 'more',
  goal: 0.9,
  floor: async () => (await direct(sendInputs)).perSecond,
  figure: async () => (await through(sendInputs)).perSecond,
};

/** Runs a relay until `use` has resolved. It copies the bytes between a client and the remote runtime, and looks at none of them. */
const withRelay = async <T>(remote: Remote, use: (port: number) => Promise<T>): Promise<T> => {
  const sockets = new Set<Socket>();
  const relay = createServer({ noDelay: true }, (near) => {
    const far = connect({ port: remote.port, host: '127.0.0.1', noDelay: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes) => to.write(bytes));
      from.on('error', () => {});
      from.on('close', () => to.destroy());
    }
  });
  await once(relay.listen(0, '127.0.0.1'), 'listening');
  try {
    return await use((relay.address() as AddressInfo).port);
  } finally {
    for (const socket of sockets) socket.destroy();
    relay.close();
  }
};

/** Measures inputs of a remote runtime through a hop that does nothing: what is missing here, no registry can reach. */
export const inputsThroughRelay: Bench = {
  id: 'B13r',
  what: `durable inputs with their whole runs of a remote runtime through a relay of node:net that only copies bytes, over ${CONNECTIONS} connections, vs direct`,
  unit: 'inputs/s',
  better: 'more',
  goal: null,
  floor: async () => (await direct(sendInputs)).perSecond,
  figure: () =>
    withRemote((remote) =>
      withRelay(remote, async (port) => (await sendInputs(port, remote.runtimeId)).perSecond),
    ),
};

/** Measures the time that the hop adds to a page, one page after the other. */
export const addedByRegistry: Bench = {
  id: 'B13l',
  what: 'p50 that a registry adds to a page of 100 events of a remote runtime, one page at a time, vs 0.6 ms',
  unit: 'ms',
  better: 'less',
  goal: 1,
  floor: async () => 0.6,
  figure: async () => {
    const measured = readPages(1, 1_000);
    return withRemote((remote) =>
      withHop(remote, async (port) => {
        const far = await measured(port, remote.runtimeId);
        const near = await measured(remote.port, remote.runtimeId);
        return far.p50Ms - near.p50Ms;
      }),
    );
  },
};

/** Measures one reader of a long log through a registry. */
const catchUpThrough = (
  id: string,
  transport: string,
  goal: number,
  upgrade: (runtime: string) => string | null,
  ask: (runtime: string) => string,
): Bench => ({
  id,
  what: `catching up on 200k stored events of a remote runtime over ${transport} through a registry, vs direct`,
  unit: 'events/s',
  better: 'more',
  goal,
  floor: async () =>
    withStore(await longLog(), ({ port, runtimeId }) =>
      measureCatchUp(port, upgrade(runtimeId), ask(runtimeId)),
    ),
  figure: async () =>
    withStore(await longLog(), (remote) =>
      withHop(remote, (port) => measureCatchUp(port, upgrade(remote.runtimeId), ask(remote.runtimeId))),
    ),
});

export const sseThroughRegistry = catchUpThrough('B13s', 'SSE', 0.8, () => null, streamOf);
export const webSocketThroughRegistry = catchUpThrough('B13w', 'WebSocket', 0.5, upgradeTo, () => SUBSCRIBE);

const STALLED = 100;

/** Measures how much the memory of a registry grows for streams whose clients read nothing. */
export const stalledThroughRegistry: Bench = {
  id: 'B13m',
  what: `memory of a registry for each of ${STALLED} streams of 200k events that are not read, vs 160 KiB`,
  unit: 'bytes',
  better: 'less',
  goal: 1,
  pairs: 1,
  floor: async () => 163_840,
  figure: async () =>
    withStore(await longLog(), (remote) =>
      withHop(remote, async (port) => {
        const plan = { port, upgrade: null, ask: streamOf(remote.runtimeId), until: 'nothing' } as const;
        const before = await heldBytes();
        const readers = await ReaderProcess.start({ ...plan, count: STALLED });
        // by then every buffer on the way is full: one reader has the whole log of its stream
        await measureCatchUp(port, null, plan.ask);
        const growth = (await heldBytes()) - before;
        await readers.stop();
        return Math.max(1, growth / STALLED);
      }),
    ),
};

const HUNG = 5;
const WAITING = 40;

/** Returns the p95 duration of pages of a remote runtime, optionally while others accept requests and never answer. */
const besideHung = (count: number): Promise<number> =>
  withRemote(async (remote) => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => void sockets.add(socket.on('error', () => {})));
    await once(silent.listen(0, '127.0.0.1'), 'listening');
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const hung = Array.from({ length: count }, (_, at) => ({
      name: `hung-${at}`,
      url,
      runtimeId: `runtime_${String(at).repeat(26)}`,
    }));
    const left = new AbortController();
    const measured = async (port: number): Promise<number> => {
      const waiting = Array.from({ length: count === 0 ? 0 : WAITING }, (_, at) =>
        fetch(`http://127.0.0.1:${port}/v1/runtimes/${hung[at % count]?.runtimeId}/workers`, {
          signal: left.signal,
        }).catch(() => {}),
      );
      // all requests hang before the measurement begins
      while (sockets.size < waiting.length) await delay(5);
      const { p95Ms } = await readPages(CONNECTIONS, PAGES)(port, remote.runtimeId);
      left.abort();
      await Promise.all(waiting);
      return p95Ms;
    };
    try {
      return await withHop(remote, measured, hung);
    } finally {
      for (const socket of sockets) socket.destroy();
      silent.close();
    }
  });

/** Measures how much remote runtimes that hang delay another one. */
export const pagesBesideHung: Bench = {
  id: 'B21',
  what: `p95 duration of pages of a remote runtime through a registry while ${HUNG} others hang with ${WAITING} requests, vs without them`,
  unit: 'ms',
  better: 'less',
  goal: 1.3,
  floor: () => besideHung(0),
  figure: () => besideHung(HUNG),
};
