import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import test from 'ava';
import { McpProcessTransport } from '../../src/tools/mcp-process-transport.ts';

const MEGABYTE = 1_000_000;
const MEGABYTES = 30;
/** The most time of the processor for it. Twice as much took 29 s when each piece cost all pieces before it, and takes 0.4 s now. */
const LIMIT_MS = 2_000;

/** Prints one message with a long text. */
const SERVER = `
process.stdout.write('{"jsonrpc":"2.0","method":"long","params":{"text":"');
for (let part = 0; part < ${MEGABYTES}; part += 1) process.stdout.write('x'.repeat(${MEGABYTE}));
process.stdout.write('"}}\\n');
process.stdin.resume();`;

const start = (maxBytes: number): McpProcessTransport =>
  new McpProcessTransport({ command: process.execPath, args: ['-e', SERVER], env: {} }, maxBytes, () => {});

test('P22: a long message of a tool server takes time by its length', async (t) => {
  const transport = start(2 * MEGABYTES * MEGABYTE);
  const received = new Promise<JSONRPCMessage>((resolve) => {
    transport.onmessage = resolve;
  });
  const before = process.cpuUsage();
  await transport.start();
  const { params } = (await received) as { readonly params?: { readonly text: string } };
  const { user, system } = process.cpuUsage(before);
  await transport.close();
  t.is(params?.text.length, MEGABYTES * MEGABYTE);
  t.true((user + system) / 1_000 < LIMIT_MS, `${(user + system) / 1_000} ms`);
});

test('P23: a message of a tool server that is too long ends the connection', async (t) => {
  const transport = start(MEGABYTE);
  const failed = new Promise<Error>((resolve) => {
    transport.onerror = resolve;
  });
  const closed = new Promise<void>((resolve) => {
    transport.onclose = resolve;
  });
  await transport.start();
  t.regex((await failed).message, /more than 1000000 bytes/);
  await closed;
});
