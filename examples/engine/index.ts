// Uses the engine of child-process.ts for two Workers, each with its own process.
import { Runtime } from '@worker-runtime/core';
import { childProcessEngine } from './child-process.ts';

const agent = new URL('./agent.js', import.meta.url).pathname;
const runtime = await Runtime.start({ engines: [childProcessEngine('child', process.execPath, [agent])] });
const ada = (await runtime.createWorker({ engine: 'child', workerId: 'ada' })).worker.workerId;
const bob = (await runtime.createWorker({ engine: 'child', workerId: 'bob' })).worker.workerId;

// The standard output of the process is the answer. It is streamed as it is written.
const counted = await runtime.sendInput(ada, { text: 'count 3' }, { waitMs: 10_000 });
console.log('ada answered:', JSON.stringify(counted.run?.messages.at(-1)?.parts[0]));

// A cancel ends the run by killing the process. The Worker stays, and its next input starts a new process.
const { cursor } = await runtime.sendInput(bob, { text: 'count 1000000' });
for await (const item of runtime.observe(bob, { after: cursor })) {
  if (item.type === 'delta') await runtime.cancelRun(bob);
  if (item.type === 'event' && item.event.type === 'run.finished') {
    console.log('bob was', item.event.data.outcome);
    break;
  }
}

// If the process dies by itself, its run fails with EXECUTION_LOST.
const lost = await runtime.sendInput(ada, { text: 'crash' }, { waitMs: 10_000 });
console.log('ada:', lost.run?.outcome, lost.run?.error?.code);
const again = await runtime.sendInput(ada, { text: 'count 1' }, { waitMs: 10_000 });

const { execution } = await runtime.getWorker(ada);
await runtime.stop();
console.log(`done: ${again.run?.outcome} with execution ${execution.generation}`);
