import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import test from 'ava';
import { Quiet } from '../src/agent/quiet.ts';

for (const blockedMs of [110, 400])
  test(`an update that arrived while the event loop was blocked for ${blockedMs} ms is read before its agent counts as quiet`, async (t) => {
    const server = createServer().listen(0, '127.0.0.1');
    t.teardown(() => server.close());
    await once(server, 'listening');
    const reader = connect((server.address() as AddressInfo).port, '127.0.0.1');
    t.teardown(() => reader.destroy());
    const [agent] = await once(server, 'connection');
    t.teardown(() => agent.destroy());
    const heard: string[] = [];
    const quiet = new Quiet(10_000);
    reader.on('data', (data) => {
      heard.push(String(data));
      quiet.heard();
    });
    agent.write('update');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, blockedMs);
    await quiet.over;
    t.deepEqual(heard, ['update']);
  });

test('an agent that never stops sending is quiet after the longest time', async (t) => {
  const quiet = new Quiet(50);
  const sending = setInterval(() => quiet.heard(), 5);
  await quiet.over;
  clearInterval(sending);
  t.pass();
});
