import type { LinkEvent } from '../link/link-event.ts';
import type { PodFeed } from '../link/pod-feed.ts';
import { type CommittedRun, findRun, splitRuns } from '../log/committed-run.ts';
import type { ConversationItem } from '../log/conversation-item.ts';
import { textAt } from '../records/record-fields.ts';
import { podStatus } from '../wire/pod-event.ts';
import type { PodMethod } from '../wire/pod-method.ts';
import type { FollowedPod, RunRequest } from './followed-pod.ts';
import type { RunEvent, RunSignal } from './run-signal.ts';

/** The outcome of a request to a pod. */
export type Acceptance =
  /** The pod runs the request. `before` are runs of other clients that came first. */
  | { readonly outcome: 'accepted'; readonly before: readonly CommittedRun[]; readonly run: CommittedRun }
  /** The run never began: the pod refused it, or it was cancelled before. `items` belong to other runs. */
  | {
      readonly outcome: 'refused';
      readonly items: readonly ConversationItem[];
      readonly error: PodError | null;
      readonly isRolledBack: boolean;
    }
  | { readonly outcome: 'lost'; readonly error: unknown }
  /** The request was stopped, and the pod's answer is not needed any more. */
  | { readonly outcome: 'stopped' };

interface PodError {
  readonly code: string;
  readonly message: string;
}

const methodOf = ({ role, text }: RunRequest): PodMethod =>
  role === 'user'
    ? { method: 'run', params: { input: [{ kind: 'text', content: text }] } }
    : { method: 'notify', params: { message: text } };

/** A request that was sent to a pod and has no outcome yet. */
class PendingRequest {
  readonly #pod: FollowedPod;
  readonly #request: RunRequest;
  readonly #feed: PodFeed;
  readonly #signal: RunSignal;
  /** Items that the pod committed for other runs since the request was sent. */
  readonly #otherItems: ConversationItem[] = [];
  #isRunning = false;
  #isSentAgain = false;
  #isRolledBack = false;
  #error: PodError | null = null;

  constructor(pod: FollowedPod, request: RunRequest, feed: PodFeed, signal: RunSignal) {
    this.#pod = pod;
    this.#request = request;
    this.#feed = feed;
    this.#signal = signal;
  }

  async send(): Promise<Acceptance> {
    this.#pod.send(methodOf(this.#request));
    for (;;) {
      const event = await this.#signal.next(this.#isRunning ? null : this.#pod.acceptMs);
      const outcome = await this.#handle(event);
      if (outcome !== null) return outcome;
    }
  }

  /** Handles one event. Returns the outcome of the request, or null if it is still open. */
  async #handle(event: RunEvent): Promise<Acceptance | null> {
    if (event === 'stopped') return { outcome: 'stopped' };
    if (event === 'cancelling') return null;
    if (event === 'timeout') {
      this.#error ??= { code: 'internal', message: 'no answer in time' };
      return (await this.#findRun()) ?? this.#refused();
    }
    switch (event.type) {
      case 'lost':
        return { outcome: 'lost', error: event.error };
      case 'reconnected':
        this.#isRunning = event.snapshot.status === 'running';
        return this.#findRunBefore(event);
      case 'event':
        return this.#handlePodEvent(event);
    }
  }

  async #handlePodEvent(linkEvent: Extract<LinkEvent, { type: 'event' }>): Promise<Acceptance | null> {
    const { event, data } = linkEvent.event;
    switch (event) {
      case 'error':
        return this.#handleError({ code: textAt(data, 'code'), message: textAt(data, 'message') });
      case 'compact_start':
        // A compaction before a run may take minutes.
        this.#isRunning = true;
        return null;
      case 'run_end':
        this.#isRolledBack = textAt(data, 'result') === 'rolled_back';
        return null;
      case 'turn_start': {
        const accepted = await this.#findRunBefore(linkEvent);
        return accepted ?? (this.#error?.code === 'already_running' ? this.#refused() : null);
      }
      case 'status': {
        if (podStatus(data) === 'running') {
          this.#isRunning = true;
          this.#error = null;
          return null;
        }
        if (!this.#isRunning) return null;
        const accepted = await this.#findRunBefore(linkEvent);
        if (accepted !== null) return accepted;
        if (this.#error !== null || this.#isRolledBack) return this.#refused();
        // A run of another client has ended. The requested run is still to come.
        this.#isRunning = false;
        return null;
      }
      default:
        return null;
    }
  }

  async #handleError(error: PodError): Promise<Acceptance | null> {
    // The line reached the pod in pieces, so the pod did nothing. It is safe to send it again.
    if (error.message.startsWith('invalid method') && !this.#isSentAgain && !this.#isRunning) {
      this.#isSentAgain = true;
      this.#pod.send(methodOf(this.#request));
      return null;
    }
    this.#error = error;
    // An idle pod begins a run before it reports the run's error, so an error before that is for another client. While
    // a run is active, `already_running` may also be the answer to another client.
    if (error.code !== 'already_running' || (this.#isRunning && this.#otherItems.length === 0)) return null;
    return (await this.#findRun()) ?? this.#refused();
  }

  /** Looks for the requested run in the pod's log. */
  async #findRun(): Promise<Acceptance | null> {
    const items = await this.#pod.sync();
    const found = findRun(items, this.#request);
    if (found) {
      this.#pod.putBack(found.after);
      return {
        outcome: 'accepted',
        before: [...splitRuns(this.#otherItems), ...found.before],
        run: found.run,
      };
    }
    this.#otherItems.push(...items);
    return null;
  }

  /** As `#findRun`. Puts `event` back if the run was found, because its follower has to handle the event, too. */
  async #findRunBefore(event: LinkEvent): Promise<Acceptance | null> {
    const accepted = await this.#findRun();
    if (accepted !== null) this.#feed.putBack(event);
    return accepted;
  }

  #refused(): Acceptance {
    return {
      outcome: 'refused',
      items: this.#otherItems,
      error: this.#error,
      isRolledBack: this.#isRolledBack,
    };
  }
}

/**
 * Requests a run of a pod, and waits until the pod's log shows the outcome. A pod's errors have no id and go to all
 * clients, and its two lanes have no order between them. Therefore only the committed input decides if a run that
 * began is the requested one. A request that is not found in the log is never sent again.
 */
export const requestRun = (
  pod: FollowedPod,
  request: RunRequest,
  feed: PodFeed,
  signal: RunSignal,
): Promise<Acceptance> => new PendingRequest(pod, request, feed, signal).send();
