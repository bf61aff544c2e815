import { engine, Runtime } from '@worker-runtime/core';
import { PostgresServer, WITHOUT_POSTGRES } from '@worker-runtime/test-environment/postgres-server';
import test from 'ava';
import { migrate, postgresStore } from '../src/index.ts';

if (WITHOUT_POSTGRES !== null) {
  test.skip(`P45: an outage during a run (skipped: ${WITHOUT_POSTGRES})`, () => {});
} else {
  test('P45: a run that is active while PostgreSQL is killed and starts again completes', async (t) => {
    const server = await PostgresServer.start();
    t.teardown(() => server.dispose());
    await server.makeDatabase('outage', migrate);
    const restarts: Promise<void>[] = [];
    const counting = engine('counting', async function* () {
      for (let step = 0; step < 10; step += 1) {
        if (step === 5) {
          await server.kill();
          restarts.push(server.run());
        }
        yield { type: 'message', parts: [{ type: 'text', text: `step ${step}` }] };
      }
    });
    const runtime = await Runtime.start({
      plugins: [postgresStore({ url: server.url({ user: 'worker', database: 'outage' }) })],
      engines: [counting],
    });
    t.teardown(() => runtime.stop());
    await runtime.createWorker({ engine: 'counting', workerId: 'ada' });
    const { run } = await runtime.sendInput('ada', { text: 'count' }, { waitMs: 60_000 });
    await Promise.all(restarts);
    t.is(restarts.length, 1);
    t.is(run?.outcome, 'completed');
    const { items } = await runtime.transcript('ada');
    const texts = items
      .filter(({ role }) => role === 'assistant')
      .flatMap(({ parts }) => parts.map((part) => ('text' in part ? part.text : '')));
    t.deepEqual(
      texts,
      Array.from({ length: 10 }, (_, step) => `step ${step}`),
    );
  });
}
