import { once } from 'node:events';
import { connect } from 'node:net';

/*
 * Sends requests from its own process, over persistent connections. Each connection sends the next request when it has
 * received a response. Of HTTP, this client knows only where a response ends.
 */

/** The plan of a measurement. */
export interface Load {
  readonly port: number;
  /** The request of each connection, as it is sent every time. */
  readonly requests: readonly string[];
  readonly status: number;
  readonly total: number;
}

/** The result of a measurement. */
export interface Loaded {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
}

const { port, requests, status, total } = JSON.parse(process.argv[2] ?? '') as Load;
const WARM_UP = Math.ceil(total / 5);
const durations: number[] = [];
let sent = 0;
let startedAt = 0;

/** Returns the length of the response at the start of the bytes, or null if its head is incomplete. */
const responseLength = (bytes: Buffer): number | null => {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return null;
  const head = bytes.toString('latin1', 0, end);
  if (!head.startsWith(`HTTP/1.1 ${status}`)) throw new Error(bytes.toString());
  const length = /content-length: (\d+)/i.exec(head)?.[1];
  if (length === undefined) throw new Error(`The response has no content-length: ${head}`);
  return end + 4 + Number(length);
};

const work = async (request: string): Promise<void> => {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  await new Promise<void>((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    let start = 0;
    const send = (): void => {
      if (sent === WARM_UP) startedAt = performance.now();
      if (sent >= WARM_UP + total) {
        socket.destroy();
        resolve();
        return;
      }
      sent += 1;
      start = performance.now();
      socket.write(request);
    };
    socket.on('data', (piece) => {
      bytes = bytes.length === 0 ? piece : Buffer.concat([bytes, piece]);
      const length = responseLength(bytes);
      if (length === null || bytes.length < length) return;
      bytes = bytes.subarray(length);
      if (sent > WARM_UP) durations.push(performance.now() - start);
      send();
    });
    socket.on('error', reject);
    send();
  });
};

await Promise.all(requests.map(work));
const seconds = (performance.now() - startedAt) / 1_000;
durations.sort((a, b) => a - b);
const percentile = (share: number): number => durations[Math.floor(durations.length * share)] ?? 0;
const loaded: Loaded = { perSecond: total / seconds, p50Ms: percentile(0.5), p95Ms: percentile(0.95) };
process.stdout.write(JSON.stringify(loaded));
