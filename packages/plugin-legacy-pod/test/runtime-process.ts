import { Runtime, silentLogger } from '@worker-runtime/core';
import { legacyPod } from '../src/index.ts';
import { recordedStore } from './recorded-store.ts';

/** A runtime in its own process, which a test kills. Creates the Worker `w` and sends it the given inputs. */
const {
  store: path,
  options,
  workspace,
  inputs,
} = JSON.parse(process.argv[2] ?? '') as {
  readonly store: string;
  readonly options: Parameters<typeof legacyPod>[0];
  readonly workspace: string;
  readonly inputs: readonly string[];
};
const store = await recordedStore(path);
const runtime = new Runtime({
  plugins: [legacyPod(options), { name: 'store', apply: (host) => host.useStore(store) }],
  log: silentLogger,
});
await runtime.start();
await runtime.createWorker({ engine: 'legacy-pod', workerId: 'w', config: { workspace } });
for (const text of inputs.slice(0, -1)) await runtime.sendInput('w', { text }, { waitMs: 20_000 });
await runtime.sendInput('w', { text: inputs.at(-1) ?? '' });
for await (const one of runtime.observe('w', { after: 'start' })) {
  if (one.type === 'event' && one.event.type === 'tool.called') process.stdout.write('running\n');
}
