import { engine, type RuntimePlugin } from '@worker-runtime/core';
import { TEXT } from './workload.ts';

const message = { type: 'message', parts: [{ type: 'text', text: TEXT }] } as const;

/** The engines of served benchmarks: `talker` sends one message, `chatty` many messages, `flooder` streams text without end. */
export const benchEngines: RuntimePlugin = {
  name: 'bench-engines',
  apply(host) {
    host.useEngine(
      engine('talker', async function* () {
        yield message;
      }),
    );
    host.useEngine(
      engine('chatty', async function* () {
        for (let at = 0; at < 50; at++) yield Array.from({ length: 100 }, () => message);
      }),
    );
    host.useEngine(
      engine('flooder', async function* ({ signal }) {
        while (!signal.aborted) {
          for (let at = 0; at < 1_000; at++) yield { type: 'text', text: 'word ' };
          yield { type: 'message' };
        }
      }),
    );
  },
};
