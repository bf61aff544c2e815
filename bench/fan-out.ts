import { createServer, type Socket } from 'node:net';
import { COST_GOAL, growth, RATE_GOAL } from './growth.ts';
import { heldBytes } from './held-bytes.ts';
import type { Bench, BenchOfRows } from './measurement.ts';
import { maskedMessage, ReaderProcess, upgradeTo } from './reader-process.ts';
import { listen, startServedWorker } from './served-worker.ts';
import { MESSAGE } from './workload.ts';

const SUBSCRIBERS = 1_000;
const EVENTS_PER_WRITE = 10;
const ROUNDS = 40;
const PAIRS = 3;

/** Returns the WebSocket frame that has these lines. */
const frameOf = (lines: Uint8Array): Buffer => {
  const payload = Buffer.concat([
    Buffer.from(`{"type":"events","worker":"ada","cursor":"log_${'0'.repeat(50)}","items":[`),
    Buffer.from(Buffer.from(lines).toString().trimEnd().replaceAll('\n', ',')),
    Buffer.from(']}'),
  ]);
  const head = Buffer.from(payload.length < 65_536 ? [0x81, 126, 0, 0] : [0x81, 127, 0, 0, 0, 0, 0, 0, 0, 0]);
  if (head.length === 4) head.writeUInt16BE(payload.length, 2);
  else head.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([head, payload]);
};

/**
 * Runs an action that handles an amount. Returns the amount per second of CPU time of this process. Elapsed time would
 * measure the readers, which share the machine and are slower than the writer.
 */
const perCpuSecond = async (amount: number, act: () => Promise<void>): Promise<number> => {
  const start = process.cpuUsage();
  await act();
  const { user, system } = process.cpuUsage(start);
  return amount / ((user + system) / 1e6);
};

/** The cost of sockets. */
interface FanOut {
  /** The events that reach sockets, for each second of CPU time of the runtime. */
  readonly rate: number;
  /** The memory for each socket. */
  readonly bytes: number;
}

/** Sends events of one Worker to a number of subscribers. */
const fanOutTo = async (subscribers: number, rounds: number): Promise<FanOut> => {
  const { runtime, port, yieldMessages } = await startServedWorker({ connections: CONNECTIONS });
  await runtime.sendInput('ada', { text: 'go' });
  const { asOf } = await runtime.getWorker('ada');
  const ask = maskedMessage({ op: 'subscribe', worker: 'ada', after: asOf, deltas: false });
  const before = await heldBytes();
  const readers = await ReaderProcess.start({
    port,
    count: subscribers,
    upgrade: upgradeTo('self'),
    ask,
    until: 'rounds',
  });
  const round = async (): Promise<void> => {
    yieldMessages(EVENTS_PER_WRITE);
    await readers.done();
  };
  await round();
  const bytes = ((await heldBytes()) - before) / subscribers;
  const rate = await perCpuSecond(subscribers * EVENTS_PER_WRITE * rounds, async () => {
    for (let at = 0; at < rounds; at++) await round();
  });
  await readers.stop();
  await runtime.stop({ deadlineMs: 500 });
  return { rate, bytes };
};

/** Measures events of one Worker to many sockets. A round ends when all sockets have received its events. */
export const fanOut: Bench = {
  id: 'B9',
  what: `events to ${SUBSCRIBERS} WebSockets, ${EVENTS_PER_WRITE} per write, vs the same frames written to plain sockets`,
  unit: 'events/s of CPU',
  better: 'more',
  goal: 0.8,
  async floor() {
    const sockets: Socket[] = [];
    const server = createServer({ noDelay: true });
    const joined = new Promise<void>((resolve) => {
      server.on('connection', (socket) => {
        socket.on('error', () => {});
        if (sockets.push(socket) === SUBSCRIBERS) resolve();
      });
    });
    const port = await listen(server);
    const readers = await ReaderProcess.start({
      port,
      count: SUBSCRIBERS,
      upgrade: null,
      ask: '',
      until: 'rounds',
    });
    await joined;
    const frame = frameOf(Buffer.concat(Array.from({ length: EVENTS_PER_WRITE }, () => MESSAGE)));
    const round = async (): Promise<void> => {
      for (const socket of sockets) socket.write(frame);
      await readers.done();
    };
    await round();
    const rate = await perCpuSecond(SUBSCRIBERS * EVENTS_PER_WRITE * ROUNDS, async () => {
      for (let at = 0; at < ROUNDS; at++) await round();
    });
    await readers.stop();
    server.close();
    return rate;
  },
  figure: async () => (await fanOutTo(SUBSCRIBERS, ROUNDS)).rate,
};

/** The subscribers of the growth row. A tenth of the connections stays for commands, so there are more of those. */
const LARGE = 10_000;
const CONNECTIONS = 12_000;
/** Descriptors of the process besides its sockets. */
const OTHER_DESCRIPTORS = 1_000;

const { userLimits } = process.report.getReport() as unknown as {
  readonly userLimits: { readonly open_files: { readonly soft: number | 'unlimited' } };
};
const descriptors = Number(
  userLimits.open_files.soft === 'unlimited' ? Infinity : userLimits.open_files.soft,
);

/** The reason why there is no growth row; null if there is one. */
export const WITHOUT_SOCKETS =
  descriptors < LARGE + OTHER_DESCRIPTORS
    ? `${LARGE} sockets need ${LARGE + OTHER_DESCRIPTORS} descriptors, and the limit is ${descriptors} (ulimit -n)`
    : null;

const of = `${LARGE.toLocaleString('en')} WebSockets`;
const than = (LARGE / 10).toLocaleString('en');

/** Measures what a socket costs when there are ten times as many. The events of all sockets together stay the same. */
const socketGrowth = growth(
  [
    {
      id: 'G3',
      what: `events to ${of}, ${EVENTS_PER_WRITE} per write, vs to ${than}`,
      unit: 'events/s of CPU',
      better: 'more',
      goal: RATE_GOAL,
    },
    {
      id: 'G3m',
      what: `memory for each of ${of}, vs of ${than}`,
      unit: 'bytes',
      better: 'less',
      goal: COST_GOAL,
    },
  ],
  LARGE,
  async (subscribers) => {
    const { rate, bytes } = await fanOutTo(subscribers, (SUBSCRIBERS * 2 * ROUNDS) / subscribers);
    return { G3: rate, G3m: bytes };
  },
  PAIRS,
);

export const socketBenches: readonly BenchOfRows[] = WITHOUT_SOCKETS === null ? [socketGrowth] : [];
