import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** The plan of a process of readers. */
export interface ReadersPlan {
  readonly port: number;
  readonly count: number;
  /** The request that each reader sends first. It waits for the head of the response. Null: no such request. */
  readonly upgrade: string | null;
  /** The request that each reader sends next, in latin1. */
  readonly ask: string;
  /**
   * `rounds`: report each time that every reader has received the end of a frame. `end`: report when every reader has
   * received this text. `nothing`: stop reading.
   */
  readonly until: 'rounds' | 'nothing' | { readonly end: string };
}

/*
 * Runs in its own process, so that reading takes no time of the process that is measured. Looks only for the end of
 * frames, and parses nothing.
 */

const FRAME_END = Buffer.from(']}');

const join = async ({ port, upgrade, ask }: ReadersPlan): Promise<Socket> => {
  const socket = connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  if (upgrade !== null) {
    socket.write(upgrade, 'latin1');
    for (let head = ''; !head.includes('\r\n\r\n'); ) head += String((await once(socket, 'data'))[0]);
  }
  if (ask !== '') socket.write(ask, 'latin1');
  return socket;
};

const read = (plan: ReadersPlan, sockets: readonly Socket[]): void => {
  const { until, count } = plan;
  if (until === 'nothing') {
    for (const socket of sockets) socket.pause();
    return;
  }
  let done = 0;
  const ended = (): void => {
    done += 1;
    if (done < count) return;
    done = 0;
    process.send?.('done');
  };
  for (const socket of sockets) {
    if (until === 'rounds') {
      socket.on('data', (piece) => {
        if (piece.subarray(-2).equals(FRAME_END)) ended();
      });
      continue;
    }
    // The text may be split across two pieces.
    let tail = '';
    socket.on('data', (piece: Buffer) => {
      const isEnd =
        piece.includes(until.end) || (tail + piece.subarray(0, 64).toString('latin1')).includes(until.end);
      tail = piece.subarray(-64).toString('latin1');
      if (isEnd) ended();
    });
  }
};

process.on('message', (plan: ReadersPlan) => {
  void (async () => {
    const sockets: Socket[] = [];
    for (let at = 0; at < plan.count; at += 100) {
      const batch = Array.from({ length: Math.min(100, plan.count - at) }, () => join(plan));
      sockets.push(...(await Promise.all(batch)));
    }
    read(plan, sockets);
    process.send?.('ready');
  })();
});
process.send?.('started');
