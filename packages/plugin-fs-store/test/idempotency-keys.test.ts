import { engine, Runtime } from '@worker-runtime/core';
import { type ManualClock, manualClock } from '@worker-runtime/core/testing';
import test from 'ava';
import { fsStore } from '../src/index.ts';
import { makeDirectory, removeDirectory } from './directory.ts';

const LIMITS = { idempotencyKeys: 1_500, idleUnloadMs: 60_000 };
const INPUTS = 1_200;

const answering = engine('answering', async function* () {
  yield { type: 'message', parts: [{ type: 'text', text: 'done' }] };
});

const startRuntime = (dir: string, clock: ManualClock): Promise<Runtime> =>
  Runtime.start({
    clock,
    limits: LIMITS,
    plugins: [
      fsStore({ dir, durability: { intervalMs: 20 } }),
      { name: 'answering', apply: (host) => host.useEngine(answering) },
    ],
  });

const nextTurn = (): Promise<void> => new Promise((done) => setImmediate(done));

const send = async (runtime: Runtime, key: string): Promise<boolean> => {
  const { replayed } = await runtime.sendInput('w', { text: 'go' }, { idempotencyKey: key });
  while ((await runtime.getWorker('w')).status === 'running') await nextTurn();
  return replayed;
};

test('P9: a limit of 1,500 idempotency keys holds after the Worker was unloaded and after a restart', async (t) => {
  t.timeout(120_000);
  const dir = await makeDirectory();
  t.teardown(() => removeDirectory(dir));
  const clock = manualClock();
  let runtime = await startRuntime(dir, clock);
  await runtime.createWorker({ engine: 'answering', workerId: 'w' });
  for (let index = 0; index < INPUTS; index += 1) await send(runtime, `k${index}`);
  t.true(await send(runtime, 'k0'), 'before the Worker is unloaded');
  // Two sweeps: the first one finds the Worker idle, the second one unloads it.
  await clock.advance(2 * LIMITS.idleUnloadMs);
  t.true(await send(runtime, 'k0'), 'after the Worker was unloaded');
  await runtime.stop();
  runtime = await startRuntime(dir, clock);
  t.true(await send(runtime, 'k0'), 'after a restart');
  t.false(await send(runtime, 'a new key'));
  await runtime.stop();
});
