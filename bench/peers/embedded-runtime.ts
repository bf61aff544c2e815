import { Runtime, type RuntimePlugin, version } from '@worker-runtime/core';
import type { RunningPeer } from './peer.ts';
import { createRepeaters, repeater, storedOutputs, textOf, workerIdOf } from './repeater.ts';

const WAIT_MS = 60_000;

/** Starts a Runtime in this process with a store. */
export const embeddedRuntime = async (store: RuntimePlugin): Promise<RunningPeer> => {
  const runtime = await Runtime.start({ plugins: [store, repeater] });
  await createRepeaters(runtime);
  return {
    version,
    async job(client, _job, text) {
      const { run } = await runtime.sendInput(workerIdOf(client), { text }, { waitMs: WAIT_MS });
      const message = run?.messages.find(({ role }) => role === 'assistant');
      if (run?.outcome !== 'completed' || !message) throw new Error(`The run failed: ${JSON.stringify(run)}`);
      return textOf(message);
    },
    stored: (client) => storedOutputs(runtime, client),
    stop: () => runtime.stop(),
  };
};
