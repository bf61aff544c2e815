import { type Observation, RuntimeError } from '@worker-runtime/core';
import { orQuiet } from '@worker-runtime/core/plugin-kit';
import type { OpenAiRuntime } from './openai-runtime.ts';

/** The time after which a quiet stream sends a comment, so that proxies do not close it. */
const QUIET_MS = 15_000;

/** Observes a Worker after a position, with `quiet` while nothing happens. @throws the code with which the stream of the Worker ends */
export async function* observeRun(
  runtime: OpenAiRuntime,
  workerId: string,
  cursor: string,
  signal: AbortSignal,
): AsyncGenerator<Observation | 'quiet'> {
  const observations = runtime.observe(workerId, { after: cursor, signal })[Symbol.asyncIterator]();
  let next = observations.next();
  try {
    for (;;) {
      const item = await orQuiet(next, QUIET_MS);
      if (item === 'quiet') {
        yield item;
        continue;
      }
      if (item.done) return;
      next = observations.next();
      if (item.value.type === 'ended') throw new RuntimeError(item.value.code);
      yield item.value;
    }
  } finally {
    next.catch(() => {});
    void observations.return?.();
  }
}
