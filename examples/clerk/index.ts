// An engine with a tool and a permission, and a caller that answers.
import { Runtime, type RunWait } from '@worker-runtime/core';
import { clerk } from './clerk.ts';

const runtime = await Runtime.start({ engines: [clerk] });
await runtime.createWorker({ engine: 'clerk', workerId: 'bob', tools: ['delete_file'] });

/** Sends a path, answers each request with `decision`, and waits until the run has finished. */
const ask = async (path: string, decision: string): Promise<RunWait> => {
  const receipt = await runtime.sendInput('bob', { text: path }, { waitMs: 10_000 });
  if (receipt.waited !== 'asks') return { waited: receipt.waited ?? 'timeout', run: receipt.run };
  for (const { requestId, prompt } of (await runtime.listRequests('bob')).items) {
    console.log(prompt, decision);
    await runtime.respond('bob', requestId, { decision });
  }
  return runtime.waitForRun('bob', receipt.runId, { waitMs: 10_000 });
};

const outcomes = [await ask('old.txt', 'allow'), await ask('new.txt', 'deny')].map(({ run }) => run?.outcome);
const results = (await runtime.transcript('bob')).items
  .flatMap(({ parts }) => parts)
  .flatMap((part) => (part.type === 'tool-result' ? [part.error ?? JSON.stringify(part.output)] : []));
await runtime.stop();
console.log(`done: ${outcomes.join(', ')}; results: ${results.join(', ')}`);
