import { setTimeout as delay } from 'node:timers/promises';
import { type EngineContext, inputText, type Run, type RunInput, RuntimeError } from '@worker-runtime/core';
import type { PodFeed } from '../link/pod-feed.ts';
import { type CommittedRun, splitRuns } from '../log/committed-run.ts';
import type { ConversationItem } from '../log/conversation-item.ts';
import type { PodRedactor } from '../log/pod-redactor.ts';
import type { PodStatus } from '../wire/pod-event.ts';

/** A run of the pod that this runtime did not request. */
export interface OtherRun {
  readonly run: CommittedRun;
  /** The events of the run if it is active; otherwise null. */
  readonly feed: PodFeed | null;
  /** `pending` if the stream events of the items in `run` still have to be handled; `past` if they were missed. */
  readonly stream: 'past' | 'pending';
  /** Items that end an earlier run and are recorded with this one. */
  readonly earlier?: readonly ConversationItem[];
}

/** Marks the inputs that another client sent to the pod, to tell them from the inputs that are sent to the pod. */
const FROM_POD = { origin: 'pod' } as const;

const FIRST_PAUSE_MS = 2;
const LAST_PAUSE_MS = 250;
const MAX_INPUT_CHARS = 200_000;

/** True if the log has the end of the run, and no item of the run after it. */
const hasEnded = (run: CommittedRun | undefined): boolean => {
  const last = run?.items.findLast(({ kind }) => kind !== 'usage' && kind !== 'notice');
  return last?.kind === 'end' && last.result !== 'paused' && last.result !== 'yielded';
};

/** Queues the runs that this runtime did not request, and records them one by one in the order of the pod's log. */
export class OtherRuns {
  readonly #context: EngineContext;
  readonly #redactor: PodRedactor;
  readonly #putBack: (items: readonly ConversationItem[]) => void;
  readonly #queue: OtherRun[] = [];
  #isRecording = false;

  constructor(
    context: EngineContext,
    redactor: PodRedactor,
    putBack: (items: readonly ConversationItem[]) => void,
  ) {
    this.#context = context;
    this.#redactor = redactor;
    this.#putBack = putBack;
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  /**
   * Adds the runs in these items. With a `feed` the last run is active, unless the pod is running and its log shows
   * that this run has ended: then the feed belongs to a run that has no items yet.
   */
  add(
    items: readonly ConversationItem[],
    feed: PodFeed | null,
    stream: OtherRun['stream'],
    status: PodStatus,
  ): void {
    const runs = splitRuns(items);
    const isActive = feed !== null && !(stream === 'past' && status === 'running' && hasEnded(runs.at(-1)));
    const last = isActive ? runs.at(-1) : undefined;
    for (const run of last ? runs.slice(0, -1) : runs) this.#queue.push({ run, feed: null, stream });
    if (feed) this.#queue.push({ run: last ?? { input: null, items: [] }, feed, stream });
  }

  /** Adds the runs that have ended. Puts back the items of an active run, which is added when its events arrive. */
  addEnded(items: readonly ConversationItem[]): void {
    const begin = items.findLastIndex(({ kind }) => kind === 'begin');
    const isActive = begin !== -1 && !hasEnded(splitRuns(items).at(-1));
    if (isActive) this.#putBack(items.slice(begin));
    this.add(isActive ? items.slice(0, begin) : items, null, 'past', 'idle');
  }

  /**
   * Adds the first run that begins in these items, whose events are in `feed`. Items before it end an earlier run and
   * are recorded with it. Items of later runs are put back.
   */
  addActive(items: readonly ConversationItem[], feed: PodFeed): void {
    const first = items.findIndex(({ kind }) => kind === 'begin');
    const second = items.findIndex(({ kind }, at) => kind === 'begin' && at > first && first !== -1);
    if (second !== -1) this.#putBack(items.slice(second));
    const [run] = splitRuns(items.slice(Math.max(0, first), second === -1 ? undefined : second));
    const earlier = items.slice(0, Math.max(0, first));
    // Without items, the beginning of the run is still to be committed.
    if (run) this.#queue.push({ run, feed, stream: 'pending', earlier });
    else this.#queue.push({ run: { input: null, items: [] }, feed, stream: 'past' });
  }

  /** Begins a run of the Worker for each queued run, one by one. Resolves when the queue is empty. */
  async record(): Promise<void> {
    if (this.#isRecording) return;
    this.#isRecording = true;
    const { signal, log } = this.#context;
    let pauseMs = FIRST_PAUSE_MS;
    for (let next = this.#queue[0]; next && !signal.aborted; next = this.#queue[0]) {
      try {
        await this.#context.beginRun(this.#inputOf(next));
        pauseMs = FIRST_PAUSE_MS;
      } catch (error) {
        // A retryable error means that the Worker is not attached yet, or that a requested run is active.
        if (!RuntimeError.from(error).retryable) {
          log.error({ err: error }, 'A run of a pod could not be recorded');
          this.#queue.shift();
        }
        await delay(pauseMs, undefined, { signal }).catch(() => {});
        pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS);
      }
    }
    this.#isRecording = false;
  }

  /** Takes the queued run for which `record` began this run. Returns null if the run was requested here. */
  take({ input }: Run): OtherRun | null {
    const [next] = this.#queue;
    if (!next || !this.#isRecording) return null;
    const begun = this.#inputOf(next);
    const isNext =
      input && begun
        ? input.metadata?.origin === FROM_POD.origin && inputText(input) === inputText(begun)
        : !input && !begun;
    return isNext ? (this.#queue.shift() ?? null) : null;
  }

  /** Takes all queued runs, because a requested run came first and reports them. */
  takeAll(): readonly OtherRun[] {
    return this.#queue.splice(0);
  }

  #inputOf({ run }: OtherRun): RunInput | undefined {
    if (!run.input) return undefined;
    const text = this.#redactor.text(run.input.text).slice(0, MAX_INPUT_CHARS);
    return { role: run.input.role, parts: [{ type: 'text', text }], metadata: FROM_POD };
  }
}
