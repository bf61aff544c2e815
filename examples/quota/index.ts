// A quota that survives a restart: the same store is opened twice.
import { engine, memoryStore, Runtime, RuntimeError } from '@worker-runtime/core';
import { quota } from './quota.ts';

const spender = engine('spender', async function* () {
  yield { type: 'usage', inputTokens: 1, outputTokens: 30 };
  yield { type: 'message', parts: [{ type: 'text', text: 'spent 30 tokens' }] };
});
const store = memoryStore();
const start = (): Promise<Runtime> =>
  Runtime.start({ engines: [spender], store, plugins: [quota({ activeRuns: 2, outputTokens: 50 })] });

/** The outcome of a run, or the code of the refusal. */
const send = async (runtime: Runtime): Promise<string> => {
  try {
    const { run } = await runtime.sendInput('ada', { text: 'go' }, { waitMs: 10_000 });
    return run?.outcome ?? 'no end';
  } catch (error) {
    return RuntimeError.from(error).code;
  }
};

const first = await start();
await first.createWorker({ engine: 'spender', workerId: 'ada', labels: { team: 'x' } });
const before = [await send(first), await send(first), await send(first)];
await first.stop();

const second = await start();
const after = await send(second);
await second.stop();
console.log(`done: ${before.join(', ')}; after a restart: ${after}`);
