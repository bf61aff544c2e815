import type { PodFeed } from '../link/pod-feed.ts';
import type { Said } from '../log/said.ts';
import { findRun, type SaidRun, splitRuns } from '../log/said-run.ts';
import { textAt } from '../records/record-fields.ts';
import { podStatus } from '../wire/pod-event.ts';
import type { PodMethod } from '../wire/pod-method.ts';
import type { Asked, FollowedPod } from './followed-pod.ts';
import type { RunSignal } from './run-signal.ts';

/** What became of something that a pod was asked. */
export type Acceptance =
  /** It works on it. `before`: runs of others that came first. */
  | { readonly outcome: 'accepted'; readonly before: readonly SaidRun[]; readonly run: SaidRun }
  /** It never began: refused, or cancelled before that. */
  | { readonly outcome: 'refused'; readonly said: readonly Said[]; readonly error: PodError | null }
  | { readonly outcome: 'lost'; readonly error: unknown }
  /** Nobody waits for it any more. */
  | { readonly outcome: 'left' };

interface PodError {
  readonly code: string;
  readonly message: string;
}

const methodOf = ({ role, text }: Asked): PodMethod =>
  role === 'user'
    ? { method: 'run', params: { input: [{ kind: 'text', content: text }] } }
    : { method: 'notify', params: { message: text } };

/**
 * Asks a pod, and waits until its log says what came of it. Errors carry no id and go to all clients, and the lanes
 * have no order: so whether a run that began is ours is decided by the input that was committed for it, and what is
 * not found there is never sent again.
 */
export const askPod = async (
  pod: FollowedPod,
  asked: Asked,
  feed: PodFeed,
  signal: RunSignal,
): Promise<Acceptance> => {
  let isRunning = false;
  let isSentAgain = false;
  let isTakenBack = false;
  let error: PodError | null = null;
  /** What the pod did for others meanwhile. */
  const others: Said[] = [];
  const found = async (): Promise<Acceptance | null> => {
    const said = await pod.sync();
    const own = findRun(said, asked);
    if (own) {
      pod.putBack(own.after);
      return { outcome: 'accepted', before: [...splitRuns(others), ...own.before], run: own.run };
    }
    others.push(...said);
    return null;
  };
  const refused = (): Acceptance => ({
    outcome: 'refused',
    said: others,
    error: isTakenBack ? { code: 'internal', message: 'rolled back' } : error,
  });
  pod.send(methodOf(asked));
  for (;;) {
    const heard = await signal.next(isRunning ? null : pod.acceptMs);
    if (heard === 'left') return { outcome: 'left' };
    if (heard === 'told') continue;
    if (heard === 'late') {
      error ??= { code: 'internal', message: 'no answer in time' };
      return (await found()) ?? refused();
    }
    if (heard.type === 'lost') return { outcome: 'lost', error: heard.error };
    if (heard.type === 'again') {
      isRunning = heard.snapshot.status === 'running';
      const now = await found();
      if (now === null) continue;
      // whoever follows has to hear how it is, too
      feed.putBack(heard);
      return now;
    }
    const { event, data } = heard.event;
    switch (event) {
      case 'error': {
        const message = textAt(data, 'message');
        // a line that reached the pod in pieces was lost, and nothing was done
        if (message.startsWith('invalid method') && !isSentAgain && !isRunning) {
          isSentAgain = true;
          pod.send(methodOf(asked));
          break;
        }
        error = { code: textAt(data, 'code'), message };
        // A pod that is idle begins, then says what it fails of: before that it is another client's. While something
        // runs, it may be about that as well.
        if (error.code !== 'already_running' || (isRunning && others.length === 0)) break;
        return (await found()) ?? refused();
      }
      case 'compact_start':
        // before a run, it may take minutes
        isRunning = true;
        break;
      case 'run_end':
        isTakenBack = textAt(data, 'result') === 'rolled_back';
        break;
      case 'turn_start': {
        const now = await found();
        if (now !== null) feed.putBack(heard);
        if (now !== null || error?.code === 'already_running') return now ?? refused();
        break;
      }
      case 'status': {
        if (podStatus(data) === 'running') {
          isRunning = true;
          error = null;
          break;
        }
        if (!isRunning) break;
        const now = await found();
        if (now !== null) feed.putBack(heard);
        if (now !== null || error !== null || isTakenBack) return now ?? refused();
        // that was another client's run: ours is still to come
        isRunning = false;
        break;
      }
      default:
        break;
    }
  }
};
