import { type Engine, engine, type RuntimePlugin } from '@worker-runtime/core';

/** An engine that sometimes works, and otherwise fails in each of the ways that an engine can. */
const crashing = (): Engine =>
  engine('crashing', async function* (run, worker) {
    yield { type: 'text', text: 'so far ' };
    const dice = Math.random();
    if (dice < 0.2) throw new Error('it broke');
    if (dice < 0.4) worker.lost(new Error('its process died'));
    if (dice < 0.5) yield { type: 'message', parts: [{ type: 'text', text: 'x'.repeat(2_000_000) }] };
    if (dice < 0.6) yield { type: 'withdrawn' };
    if (dice < 0.7) void run.ask({ kind: 'question', prompt: 'Well?', options: ['yes'], timeoutMs: 1_000 });
    yield { type: 'message' };
  });

export const plugin = (): RuntimePlugin => ({
  name: 'crashing',
  apply: (host) => host.useEngine(crashing()),
});
