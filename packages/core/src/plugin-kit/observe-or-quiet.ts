import type { Observation, ObserveOptions, RuntimeApi } from '../contracts/runtime-api.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import { orQuiet } from './or-quiet.ts';

/** The time after which a quiet stream sends a comment, so that proxies do not close it. */
const QUIET_MS = 15_000;

/** Observes a Worker, with `quiet` while nothing happens. @throws the code with which the stream of the Worker ends */
export async function* observeOrQuiet(
  runtime: Pick<RuntimeApi, 'observe'>,
  workerId: string,
  options: ObserveOptions,
): AsyncGenerator<Observation | 'quiet', void> {
  const observations = runtime.observe(workerId, options)[Symbol.asyncIterator]();
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
