import type { Observation } from '../contracts/observation.ts';
import type { RuntimeApi } from '../contracts/runtime-api.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import { orQuiet } from './or-quiet.ts';

/** The time after which a quiet stream sends a comment, so that proxies do not close it. */
const COMMENT_MS = 15_000;
/** The time without news after which a stream pauses, if its run waits for people and for nothing else. */
const BLOCKED_MS = 100;
/** The same, if calls of the run are in progress, as far as the log says. An engine may begin them after the answer. */
const WAITING_MS = 1_000;

export interface ObserveOrQuiet {
  readonly runtime: Pick<RuntimeApi, 'observe'>;
  readonly workerId: string;
  /** The position after which the observation begins. */
  readonly after: string;
  /** False leaves out the pieces of messages in progress. Default true. */
  readonly deltas?: boolean;
  /** These abort when the client disconnects. The observation then ends. */
  readonly left: readonly AbortSignal[];
  /** Aborts when the answer has to end. Its reason is the error that the client gets. */
  readonly ending: AbortSignal | null;
  /** Returns `waiting` if the run waits for people, and `blocked` if for nothing else. Default: it never does. */
  readonly state?: () => 'active' | 'waiting' | 'blocked';
}

/**
 * Observes a Worker, with `quiet` when nothing has happened for the time after which a stream sends a comment, or pauses for people.
 * @throws the code with which the stream of the Worker ends · the reason of `ending`
 */
export async function* observeOrQuiet({
  runtime,
  workerId,
  after,
  deltas = true,
  left,
  ending,
  state = () => 'active',
}: ObserveOrQuiet): AsyncGenerator<Observation | 'quiet'> {
  const signal = AbortSignal.any([...left, ...(ending === null ? [] : [ending])]);
  const observations = runtime.observe(workerId, { after, deltas, signal })[Symbol.asyncIterator]();
  let next = observations.next();
  try {
    for (;;) {
      const item = await orQuiet(
        next,
        { active: COMMENT_MS, waiting: WAITING_MS, blocked: BLOCKED_MS }[state()],
      );
      if (item === 'quiet') {
        yield item;
        continue;
      }
      if (item.done) break;
      next = observations.next();
      if (item.value.type === 'ended') throw new RuntimeError(item.value.code);
      yield item.value;
    }
  } finally {
    next.catch(() => {});
    void observations.return?.();
  }
  // an observation that was aborted ends without an error
  if (ending?.aborted) throw RuntimeError.from(ending.reason);
}
