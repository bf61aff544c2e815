import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test, { type ExecutionContext } from 'ava';
import { type Served, serveAda } from '../served.ts';

const CLIENTS = 1_000;
/** The size of the events for each client: more than the kernel buffers. */
const KILOBYTES = 6_000;
/** The limit for each client. 34 to 60 KB were measured, depending on the reuse of buffers; a queue would hold 6 MB. */
const MOST_BYTES = 131_072;
const LAST = 'the very last word';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Returns the bytes in use after a garbage collection. */
const held = (): number => {
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

const clients = async (t: ExecutionContext, served: Served): Promise<ChildProcess> => {
  const { port } = new URL(served.web.url);
  const program = fileURLToPath(new URL('../stalled-clients.ts', import.meta.url));
  const path = '/v1/runtimes/self/workers/ada/events?after=start';
  const args = ['--import=tsx', program, port, path, String(CLIENTS), LAST];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
};

const text = 'x'.repeat(1_000);
const message = { type: 'message', parts: [{ type: 'text', text }] } as const;

/** Produces durable events of a kilobyte each. */
const flood = async ({ puppet }: Served, kilobytes: number): Promise<void> => {
  for (let at = 0; at < kilobytes; at += 100) await puppet.say(Array(100).fill(message));
};

test(`P8: ${CLIENTS} clients that stop reading cost one write and a position each, and miss no events`, async (t) => {
  t.timeout(120_000);
  const served = await serveAda(t);
  await served.call('workers/ada/inputs', { method: 'POST', body: { text: 'go' } });
  const child = await clients(t, served);
  const before = held();
  await flood(served, KILOBYTES);
  const stalled = held();
  const began = performance.now();
  await flood(served, 1_000);
  const duration = performance.now() - began;
  const later = held();
  const each = (bytes: number): number => Math.round(bytes / CLIENTS);
  t.log(
    `${each(stalled - before)} bytes each, ${each(later - stalled)} more after another megabyte that took ${Math.round(duration)} ms`,
  );
  t.true(each(stalled - before) <= MOST_BYTES);
  // the store of this test keeps the megabyte itself in memory
  t.true(later - stalled <= 2 * 1_048_576 + CLIENTS * 2_048);

  await served.puppet.say({ type: 'message', parts: [{ type: 'text', text: LAST }] });
  child.stdin?.write('go\n');
  const [output] = await once(child.stdout as NodeJS.ReadableStream, 'data');
  t.is(String(output), 'whole\n');
});
