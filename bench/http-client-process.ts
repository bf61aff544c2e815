import { once } from 'node:events';
import { connect } from 'node:net';

/*
 * A process of its own that asks over kept connections, each the next time when it was answered. It knows just as much
 * of HTTP as it takes: where an answer ends.
 */

export interface Load {
  readonly port: number;
  /** What each connection asks, byte for byte, again and again. */
  readonly requests: readonly string[];
  readonly status: number;
  readonly total: number;
}

export interface Loaded {
  readonly perSecond: number;
  readonly p95Ms: number;
}

const { port, requests, status, total } = JSON.parse(process.argv[2] ?? '') as Load;
const WARM_UP = Math.ceil(total / 5);
const durations: number[] = [];
let asked = 0;
let began = 0;

/** How long an answer is that begins here; null while its head is not whole. */
const lengthOf = (bytes: Buffer): number | null => {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return null;
  const head = bytes.toString('latin1', 0, end);
  if (!head.startsWith(`HTTP/1.1 ${status}`)) throw new Error(bytes.toString());
  const length = /content-length: (\d+)/i.exec(head)?.[1];
  if (length === undefined) throw new Error(`no length: ${head}`);
  return end + 4 + Number(length);
};

const work = async (request: string): Promise<void> => {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  await new Promise<void>((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    let start = 0;
    const ask = (): void => {
      if (asked === WARM_UP) began = performance.now();
      if (asked >= WARM_UP + total) {
        socket.destroy();
        resolve();
        return;
      }
      asked += 1;
      start = performance.now();
      socket.write(request);
    };
    socket.on('data', (piece) => {
      bytes = bytes.length === 0 ? piece : Buffer.concat([bytes, piece]);
      const length = lengthOf(bytes);
      if (length === null || bytes.length < length) return;
      bytes = bytes.subarray(length);
      if (asked > WARM_UP) durations.push(performance.now() - start);
      ask();
    });
    socket.on('error', reject);
    ask();
  });
};

await Promise.all(requests.map(work));
const seconds = (performance.now() - began) / 1_000;
durations.sort((a, b) => a - b);
const loaded: Loaded = {
  perSecond: total / seconds,
  p95Ms: durations[Math.floor(durations.length * 0.95)] ?? 0,
};
process.stdout.write(JSON.stringify(loaded));
