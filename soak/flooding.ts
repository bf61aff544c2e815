import { type Engine, engine, type RuntimePlugin } from '@worker-runtime/core';

const DELTAS = 5_000;
const NOTICES = 50;

/** An engine that sends its output in as many pieces as it can, as fast as the runtime takes them. */
const flooding = (): Engine =>
  engine('flooding', async function* () {
    for (let at = 0; at < DELTAS; at++) yield { type: 'text', text: 'x ' };
    yield { type: 'message' };
    for (let at = 0; at < NOTICES; at++)
      yield { type: 'notice', severity: 'info', code: 'FLOOD', message: `notice ${at}` };
  });

export const plugin = (): RuntimePlugin => ({
  name: 'flooding',
  apply: (host) => host.useEngine(flooding()),
});
