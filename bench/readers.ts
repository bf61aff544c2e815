import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** What a process of readers is told to be. */
export interface ReadersPlan {
  readonly port: number;
  readonly count: number;
  /** Sent by each of them first; they begin to count when the head of an answer has come. Null sends and awaits nothing. */
  readonly upgrade: string | null;
  /** Sent next, in latin1. */
  readonly ask: string;
  /**
   * `rounds`: tell whenever each has got something that ends a frame. `end`: tell when each has got these words.
   * `nothing`: stop reading.
   */
  readonly until: 'rounds' | 'nothing' | { readonly end: string };
}

/*
 * Run as a process of its own, so that what reads does not stand in the way of what is measured. It counts bytes and
 * parses nothing.
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
    // the words may lie across two pieces
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
      const few = Array.from({ length: Math.min(100, plan.count - at) }, () => join(plan));
      sockets.push(...(await Promise.all(few)));
    }
    read(plan, sockets);
    process.send?.('ready');
  })();
});
process.send?.('here');
