import type { EngineOutput, Run } from '@worker-runtime/core';
import type { LinkEvent } from '../link/link-event.ts';
import type { PodFeed } from '../link/pod-feed.ts';
import { START, type StreamPosition } from '../link/stream-position.ts';
import type { ConversationItem } from '../log/conversation-item.ts';
import { numberAt, textAt } from '../records/record-fields.ts';
import { type PodEvent, type PodStatus, podStatus } from '../wire/pod-event.ts';
import type { FollowedPod, RunRequest } from './followed-pod.ts';
import { LiveText, liveType } from './live-text.ts';
import { requestRun } from './run-acceptance.ts';
import { runError } from './run-error.ts';
import { RunSignal } from './run-signal.ts';
import { isCancelled, withdrawnByClient, withdrawnRun } from './withdrawn-run.ts';

type Outputs = AsyncGenerator<readonly EngineOutput[], void, undefined>;

type End = Extract<ConversationItem, { readonly kind: 'end' }>;

const isEnd = (item: ConversationItem): item is End => item.kind === 'end' && item.result !== 'yielded';

/** True if the pod's status has changed, or if the link to the pod has. */
const hasMoved = (event: LinkEvent): boolean => event.type !== 'event' || event.event.event === 'status';

/**
 * True if the pod's log shows at this event if a paused run was resumed or replaced by another run. A run that begins
 * is committed before its first turn.
 */
const isDecided = (event: LinkEvent): boolean =>
  event.type !== 'event' ||
  event.event.event === 'turn_start' ||
  (event.event.event === 'status' && podStatus(event.event.data) !== 'running');

/** True if items after a pause begin another run. The pod closes the paused run first, with an interrupt. */
const isReplaced = (items: readonly ConversationItem[]): boolean => {
  const begin = items.findIndex(({ kind }) => kind === 'begin');
  const before = begin === -1 ? items : items.slice(0, begin);
  return (
    (begin !== -1 && before.length === 0) ||
    before.some(
      (item) =>
        (item.kind === 'system' && item.item.kind === 'interrupt') ||
        (item.kind === 'end' && item.result === 'abandoned'),
    )
  );
};

/**
 * Follows one run of a pod. Only committed items, which are read at the ends of turns and of the run, become durable
 * outputs. The stream provides the text while the model writes it, and shows when to read the log. The order between
 * the two lanes of the stream therefore does not matter.
 */
export class RunFollower {
  readonly #pod: FollowedPod;
  readonly #run: Run;
  readonly #feed: PodFeed;
  readonly #signal: RunSignal;
  readonly #live: LiveText;
  readonly #usage: EngineOutput[] = [];
  /** Items that are published in the first step. Those of `#earlier` come first and end an earlier run. */
  #earlier: readonly ConversationItem[] = [];
  #buffered: readonly ConversationItem[] = [];
  #error: { readonly code: string; readonly message: string } | null = null;
  #result: string | null = null;
  #end: End | null = null;
  #hasCommittedUsage = false;
  #hasCalls = false;
  #hasBegun = false;
  /** True if the log has the beginning of another run after this one. */
  #isFollowed = false;
  #isStepOpen = false;

  constructor(pod: FollowedPod, run: Run, feed: PodFeed) {
    this.#pod = pod;
    this.#run = run;
    this.#feed = feed;
    this.#signal = new RunSignal(run, feed, (method) => pod.send(method));
    this.#live = new LiveText(pod.redactor);
  }

  /**
   * Requests a run and follows it to its end. `onRefused` receives the items of other runs if the run never began.
   * @throws RuntimeError the run failed. WORKER_BUSY if the pod is running for another client
   */
  async *request(request: RunRequest, onRefused: (otherItems: readonly ConversationItem[]) => void): Outputs {
    const acceptance = await requestRun(this.#pod, request, this.#feed, this.#signal);
    switch (acceptance.outcome) {
      case 'stopped':
        return;
      case 'lost':
        return this.#pod.lost(acceptance.error);
      case 'refused': {
        onRefused(acceptance.items);
        if (this.#run.signal.aborted) return;
        const { error, isRolledBack } = acceptance;
        if (isRolledBack) return yield withdrawnByClient('rolled back');
        if (error && isCancelled(error.message)) return yield withdrawnByClient('cancelled');
        throw error ? runError(error.code, error.message) : runError('already_running', '');
      }
      case 'accepted': {
        for (const { input, items } of acceptance.before) {
          if (input) yield [this.#pod.mapper.inputNotice(input.text)];
          yield* this.#publish(items);
        }
        this.#end = null;
        yield* this.follow(acceptance.run.items, 'pending');
      }
    }
  }

  /**
   * Follows an active run to its end. `committed` are the items of the run so far. `stream` is `pending` if their
   * stream events still have to be handled, and `past` if those events were missed. `earlier` are items that end an
   * earlier run and are recorded with this one.
   * @throws RuntimeError the run failed
   */
  async *follow(
    committed: readonly ConversationItem[],
    stream: 'past' | 'pending',
    earlier: readonly ConversationItem[] = [],
  ): Outputs {
    this.#hasBegun = stream === 'pending' || committed.length > 0;
    if (stream === 'past') yield* this.#publish(committed);
    else {
      this.#earlier = earlier;
      // Items after an end belong to the resumed run, whose stream events come after those of the pause.
      const end = committed.findIndex(isEnd) + 1 || committed.length;
      this.#buffered = committed.slice(0, end);
      this.#pod.putBack(committed.slice(end));
    }
    for (;;) {
      const event = await this.#signal.next(null);
      if (event === 'stopped') return yield* this.#sync();
      if (event === 'timeout' || event === 'cancelling') continue;
      if (event.type === 'lost') {
        yield* this.#sync();
        return this.#pod.lost(event.error);
      }
      let status: PodStatus | null;
      if (event.type === 'reconnected') {
        status = event.snapshot.status;
        yield* this.#sync();
        this.#live.restart();
        if (this.#isFollowed) {
          // This run ended while the link was down. The news of the link and all further events are for the next run.
          this.#feed.putBack(event);
          status = 'idle';
        }
      } else {
        status = event.event.event === 'status' ? podStatus(event.event.data) : null;
        yield* this.#handle(event.event, event.at ?? START);
      }
      if (status === null || status === 'running') continue;
      yield* this.#finishStep(status);
      const isComplete = this.#result === 'finished' || this.#result === 'limit_reached';
      if (event.type === 'event' && !isComplete) this.#pod.alignStream(event.at ?? START);
      if (status === 'idle') {
        if (!this.#hasCommittedUsage && this.#usage.length > 0) yield this.#usage;
        return yield* this.#conclude();
      }
      if (!(yield* this.#askToResume())) return;
      this.#result = null;
      this.#end = null;
    }
  }

  async *#handle({ event, data }: PodEvent, at: StreamPosition): Outputs {
    switch (event) {
      case 'text_delta':
      case 'thinking_delta':
      case 'text_done':
      case 'thinking_done': {
        const isLate = this.#pod.tracker.isLate(liveType(event), at);
        const outputs = this.#live.take(event, textAt(data, 'text'), isLate);
        if (outputs.length > 0) yield outputs;
        return;
      }
      case 'tool_call_done':
        this.#hasCalls = true;
        return;
      case 'turn_start': {
        if (this.#isStepOpen) yield* this.#finishStep('running');
        this.#isStepOpen = true;
        const { model, redactor } = this.#pod;
        yield [{ type: 'step-start', ...(model !== null && { model: redactor.text(model) }) }];
        return yield* this.#publishBuffered();
      }
      case 'turn_end':
        // Tool calls are published here, so that they are visible while the tools run.
        if (this.#hasCalls) yield* this.#syncPart();
        this.#hasCalls = false;
        return;
      case 'usage':
        return this.#addUsage(data);
      case 'llm_retry':
      case 'llm_continuation':
        return yield [
          this.#pod.mapper.notice('info', 'POD_MODEL_RETRY', 'The pod sent the request to the model again'),
        ];
      case 'compact_start':
        return yield [
          this.#pod.mapper.notice('info', 'POD_COMPACTING', 'The pod is compacting the conversation'),
        ];
      case 'compact_failed':
        return yield [
          this.#pod.mapper.notice(
            'warning',
            'POD_COMPACT_FAILED',
            'The pod could not compact the conversation',
          ),
        ];
      case 'error':
        this.#error = { code: textAt(data, 'code'), message: textAt(data, 'message') };
        return;
      case 'run_end':
        this.#result = textAt(data, 'result');
        return;
      default:
        return;
    }
  }

  #addUsage(data: PodEvent['data']): void {
    if (typeof data.input_tokens !== 'number' && typeof data.output_tokens !== 'number') return;
    const { model, redactor } = this.#pod;
    const cacheReadTokens = numberAt(data, 'cache_read_input_tokens');
    this.#usage.push({
      type: 'usage',
      ...(model !== null && { model: redactor.text(model) }),
      inputTokens: numberAt(data, 'input_tokens'),
      outputTokens: numberAt(data, 'output_tokens'),
      ...(cacheReadTokens > 0 && { cacheReadTokens }),
    });
  }

  *#publishBuffered(): Generator<readonly EngineOutput[], void, undefined> {
    // Alerts that arrived by now came before the items of the step.
    const notices = this.#pod.takeNotices();
    if (notices.length > 0) yield notices;
    const [earlier, items] = [this.#earlier, this.#buffered];
    this.#earlier = [];
    this.#buffered = [];
    if (earlier.length > 0) {
      yield* this.#publish(earlier);
      this.#end = null;
    }
    yield* this.#publish(items);
  }

  /** Publishes all items of this run that are committed by now. */
  async *#sync(): Outputs {
    yield* this.#publishBuffered();
    yield* this.#publishBefore(await this.#pod.sync(), (all) => all.length);
  }

  /**
   * Publishes the items up to the next end of the pod's work, where the run may have been paused. The log may already
   * have items of the resumed run, whose stream events still follow. Those items are put back.
   */
  async *#syncPart(): Outputs {
    yield* this.#publishBuffered();
    yield* this.#publishBefore(await this.#pod.sync(), (all) => {
      if (this.#end !== null) return 0;
      const end = all.findIndex(isEnd);
      return end === -1 ? all.length : end + 1;
    });
  }

  async *#publishBefore(
    all: readonly ConversationItem[],
    endOf: (all: readonly ConversationItem[]) => number,
  ): Outputs {
    // This run ends where the next one begins.
    const begin = this.#hasBegun ? all.findIndex(({ kind }) => kind === 'begin') : -1;
    if (begin !== -1) this.#isFollowed = true;
    const end = endOf(begin === -1 ? all : all.slice(0, begin));
    const next = end < all.length ? end : -1;
    const items = next === -1 ? all : all.slice(0, next);
    if (next !== -1) this.#pod.putBack(all.slice(next));
    if (all.length > 0) this.#hasBegun = true;
    yield* this.#publish(items);
  }

  *#publish(items: readonly ConversationItem[]): Generator<readonly EngineOutput[], void, undefined> {
    for (const item of items) {
      if (isEnd(item)) this.#end = item;
      if (item.kind === 'usage') this.#hasCommittedUsage = true;
    }
    const outputs = this.#pod.mapper.outputs(items);
    if (items.some(({ kind }) => kind === 'message')) this.#live.messageCommitted();
    if (outputs.length > 0) yield outputs;
  }

  /** Ends the open step. Items that are committed by then belong to it. `status` is that of the pod at this point. */
  async *#finishStep(status: PodStatus): Outputs {
    yield* status === 'idle' ? this.#sync() : this.#syncPart();
    if (!this.#isStepOpen) return;
    this.#isStepOpen = false;
    yield [{ type: 'step-finish', finish: this.#result ?? (this.#error ? 'error' : 'finished') }];
  }

  /** Opens a request for the paused run. Returns true if the pod resumes it, and false if it has ended. */
  async *#askToResume(): AsyncGenerator<readonly EngineOutput[], boolean, undefined> {
    const { signal } = this.#run;
    if (await this.#isResumedByOther(false)) return true;
    const settled = new AbortController();
    const moved = this.#hasLeftPause(settled.signal);
    const answered = this.#feed.has(hasMoved)
      ? null
      : this.#run.ask({
          kind: 'question',
          prompt: 'The run is paused. Do you want to resume it?',
          options: ['resume', 'abandon'],
        });
    const first = await Promise.race([...(answered ? [answered] : []), moved.then(() => null)]).catch(
      () => null,
    );
    settled.abort();
    await moved;
    if (first === null) {
      if (await this.#isResumedByOther(true)) {
        if (answered) this.#pod.answerRequests('resume', answered);
        return true;
      }
      // Another client abandoned the paused run. The following events are not part of this run.
      yield* this.#sync();
      const isAbandoned = this.#end?.result === 'abandoned';
      if (isAbandoned) yield withdrawnByClient('abandoned');
      else yield [this.#pod.mapper.notice('info', 'POD_PAUSE_ENDED', 'Another client ended the pause')];
      return false;
    }
    if (first.decision === 'resume') {
      // A pod that another client has resumed in the meantime would refuse it.
      if (!this.#feed.has(hasMoved)) this.#pod.send({ method: 'resume' });
      return true;
    }
    if (first.decision === null && signal.reason === 'stop') return false;
    this.#pod.send({ method: 'cancel' });
    for (;;) {
      const event = await this.#feed.next(null, this.#pod.acceptMs);
      if (event?.type === 'lost') this.#pod.lost(event.error);
      const hasEnded =
        event?.type !== 'event' || event.event.event === 'status' || event.event.event === 'error';
      if (!hasEnded) continue;
      yield* this.#sync();
      yield withdrawnRun('The paused run was abandoned');
      return false;
    }
  }

  /** Waits until the pause has ended and the pod's log shows how, or until `signal` is aborted. */
  async #hasLeftPause(signal: AbortSignal): Promise<void> {
    if (await this.#feed.waitFor(hasMoved, signal)) await this.#feed.waitFor(isDecided, signal);
  }

  /** True if another client resumed the paused run. `isKnown` is true if the log shows it by now. */
  async #isResumedByOther(isKnown: boolean): Promise<boolean> {
    const moved = this.#feed.first(hasMoved);
    if (moved?.type !== 'event' || podStatus(moved.event.data) !== 'running') return false;
    if (!isKnown && !this.#feed.has(isDecided)) return false;
    const items = await this.#pod.sync();
    this.#pod.putBack(items);
    return !isReplaced(items);
  }

  /** Ends the run as the pod's run ended. @throws RuntimeError the run failed */
  *#conclude(): Generator<readonly EngineOutput[], void, undefined> {
    if (this.#run.signal.aborted) return;
    if (this.#result === 'finished' || this.#result === 'limit_reached') return;
    if (this.#result === 'rolled_back') return yield withdrawnByClient('rolled back');
    const end = this.#end;
    const error = this.#error ?? (end?.result === 'errored' ? { code: '', message: end.message } : null);
    if (error && isCancelled(error.message)) return yield withdrawnByClient('cancelled');
    if (error) throw runError(error.code, error.message);
    if (end?.result === 'finished' || end?.result === 'limit_reached') return;
    yield withdrawnByClient(end?.result === 'abandoned' ? 'abandoned' : 'ended');
  }
}
