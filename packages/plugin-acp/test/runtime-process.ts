import { Runtime } from '@worker-runtime/core';
import { type AgentOptions, acp } from '../src/index.ts';
import { namedStore } from './named-store.ts';

/** A runtime in its own process, which a test kills. Its agent works in a claimed folder when it writes a line. */
const { runtimeId, agent, folder } = JSON.parse(process.argv[2] ?? '') as {
  readonly runtimeId: string;
  readonly agent: AgentOptions;
  readonly folder: string;
};
const runtime = await Runtime.start({
  plugins: [
    acp({ agents: { fake: agent }, roots: [folder] }),
    { name: 'store', apply: (host) => host.useStore(namedStore(runtimeId)) },
  ],
});
const { worker } = await runtime.createWorker({
  engine: 'acp',
  config: { agent: 'fake' },
  claims: [{ name: 'project', resource: `fs:${folder}`, mode: 'write' }],
});
await runtime.sendInput(worker.workerId, { text: 'orphan' });
for await (const one of runtime.observe(worker.workerId, { after: 'start' }))
  if (one.type === 'delta' || (one.type === 'in-flight' && one.messages.length > 0)) {
    process.stdout.write('working\n');
    break;
  }
