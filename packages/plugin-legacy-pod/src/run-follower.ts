import type { EngineOutput, Run } from '@worker-runtime/core';
import { calledOff, isCancelled } from './called-off.ts';
import type { Asked, FollowedPod } from './followed-pod.ts';
import { LiveText, liveType } from './live-text.ts';
import type { PodFeed } from './pod-feed.ts';
import { numberAt, textAt } from './records/record-fields.ts';
import { askPod } from './run-acceptance.ts';
import { runError } from './run-error.ts';
import { RunSignal } from './run-signal.ts';
import type { Said } from './said.ts';
import { START, type StreamMark } from './stream-place.ts';
import { type PodEvent, type PodStatus, podStatus } from './wire/pod-event.ts';

type Outputs = AsyncGenerator<readonly EngineOutput[], void, undefined>;

/**
 * Follows one run of a pod. Durable outputs are made of committed entries alone, read at the ends of turns and of the
 * run; the live lanes give the text while it is written, and say when there is something to read. So it does not
 * matter how the lanes are mixed.
 */
export class RunFollower {
  readonly #pod: FollowedPod;
  readonly #run: Run;
  readonly #feed: PodFeed;
  readonly #signal: RunSignal;
  readonly #live: LiveText;
  readonly #usage: EngineOutput[] = [];
  #committed: readonly Said[] = [];
  #error: { readonly code: string; readonly message: string } | null = null;
  #result: string | null = null;
  #end: Extract<Said, { readonly what: 'end' }> | null = null;
  #hasCommittedUsage = false;
  #hasCalls = false;
  #hasBegun = false;
  #isStepOpen = false;

  constructor(pod: FollowedPod, run: Run, feed: PodFeed) {
    this.#pod = pod;
    this.#run = run;
    this.#feed = feed;
    this.#signal = new RunSignal(run, feed, (method) => pod.send(method));
    this.#live = new LiveText(pod.redactor);
  }

  /**
   * Asks, and follows to the end. `given` gets what turned out to be another client's.
   * @throws RuntimeError how the run ended, if not well; WORKER_BUSY where the pod works for somebody else
   */
  async *ask(asked: Asked, given: (said: readonly Said[]) => void): Outputs {
    const accepted = await askPod(this.#pod, asked, this.#feed, this.#signal);
    switch (accepted.outcome) {
      case 'left':
        return;
      case 'lost':
        return this.#pod.lost(accepted.error);
      case 'refused': {
        given(accepted.said);
        if (this.#run.signal.aborted) return;
        const { error } = accepted;
        if (error?.message === 'rolled back') return yield calledOff('taken back');
        if (error && isCancelled(error.message)) return yield calledOff('cancelled');
        throw error ? runError(error.code, error.message) : runError('already_running', '');
      }
      case 'accepted': {
        for (const { input, said } of accepted.before) {
          if (input)
            yield [this.#pod.teller.notice('info', 'POD_INPUT', `Another client wrote: ${input.text}`)];
          yield* this.#tell(said);
        }
        this.#end = null;
        yield* this.follow(accepted.run.said, 'follows');
      }
    }
  }

  /**
   * Follows a run that is on to its end. `committed` is what its log has by now; the stream of it is `over` or
   * `follows`.
   * @throws as `ask`
   */
  async *follow(committed: readonly Said[], stream: 'over' | 'follows'): Outputs {
    this.#hasBegun = stream === 'follows' || committed.length > 0;
    if (stream === 'over') yield* this.#tell(committed);
    else this.#committed = committed;
    for (;;) {
      const heard = await this.#signal.next(null);
      if (heard === 'left') return yield* this.#sync();
      if (heard === 'late' || heard === 'told') continue;
      if (heard.type === 'lost') {
        yield* this.#sync();
        return this.#pod.lost(heard.error);
      }
      let status: PodStatus | null;
      if (heard.type === 'again') {
        status = heard.snapshot.status;
        yield* this.#sync();
        this.#live.restart();
      } else {
        status = heard.event.event === 'status' ? podStatus(heard.event.data) : null;
        yield* this.#take(heard.event, heard.at ?? START);
      }
      if (status === null || status === 'running') continue;
      yield* this.#finishStep();
      const isWhole = this.#result === 'finished' || this.#result === 'limit_reached';
      if (heard.type === 'event' && !isWhole) this.#pod.runBroke(heard.at ?? START);
      if (status === 'idle') {
        if (!this.#hasCommittedUsage && this.#usage.length > 0) yield this.#usage;
        return yield* this.#conclude();
      }
      if (!(yield* this.#paused())) return;
      this.#result = null;
      this.#end = null;
    }
  }

  async *#take({ event, data }: PodEvent, at: StreamMark): Outputs {
    switch (event) {
      case 'text_delta':
      case 'thinking_delta':
      case 'text_done':
      case 'thinking_done': {
        const isLate = this.#pod.place.isLate(liveType(event), at);
        const outputs = this.#live.take(event, textAt(data, 'text'), isLate);
        if (outputs.length > 0) yield outputs;
        return;
      }
      case 'tool_call_done':
        this.#hasCalls = true;
        return;
      case 'turn_start': {
        if (this.#isStepOpen) yield* this.#finishStep();
        this.#isStepOpen = true;
        const { model, redactor } = this.#pod;
        yield [{ type: 'step-start', ...(model !== null && { model: redactor.text(model) }) }];
        return yield* this.#tellCommitted();
      }
      case 'turn_end':
        // so that calls show while their tools run
        if (this.#hasCalls) yield* this.#sync();
        this.#hasCalls = false;
        return;
      case 'usage':
        return this.#count(data);
      case 'llm_retry':
      case 'llm_continuation':
        return yield [this.#pod.teller.notice('info', 'POD_MODEL_RETRY', 'The model is asked again')];
      case 'compact_start':
        return yield [this.#pod.teller.notice('info', 'POD_COMPACTING', 'The pod compacts the conversation')];
      case 'compact_failed':
        return yield [this.#pod.teller.notice('warning', 'POD_COMPACT_FAILED', 'The pod could not compact')];
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

  #count(data: PodEvent['data']): void {
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

  /** What was read before the first step is told in it. */
  *#tellCommitted(): Generator<readonly EngineOutput[], void, undefined> {
    const committed = this.#committed;
    this.#committed = [];
    yield* this.#tell(committed);
  }

  async *#sync(): Outputs {
    yield* this.#tellCommitted();
    const all = await this.#pod.sync();
    // where another run begins, this one is over
    const next = this.#hasBegun ? all.findIndex(({ what }) => what === 'begin') : -1;
    const said = next === -1 ? all : all.slice(0, next);
    if (next !== -1) this.#pod.putBack(all.slice(next));
    if (all.length > 0) this.#hasBegun = true;
    const notices = this.#pod.takeNotices();
    if (notices.length > 0) yield notices;
    yield* this.#tell(said);
  }

  *#tell(said: readonly Said[]): Generator<readonly EngineOutput[], void, undefined> {
    for (const one of said) {
      if (one.what === 'end' && one.result !== 'yielded') this.#end = one;
      if (one.what === 'usage') this.#hasCommittedUsage = true;
    }
    const outputs = this.#pod.teller.tell(said);
    if (said.some(({ what }) => what === 'message')) this.#live.superseded();
    if (outputs.length > 0) yield outputs;
  }

  /** What is committed by the end of a step belongs to it. */
  async *#finishStep(): Outputs {
    yield* this.#sync();
    if (!this.#isStepOpen) return;
    this.#isStepOpen = false;
    yield [{ type: 'step-finish', finish: this.#result ?? (this.#error ? 'error' : 'finished') }];
  }

  /** Asks whether to go on. False where this run is over. */
  async *#paused(): AsyncGenerator<readonly EngineOutput[], boolean, undefined> {
    const { signal } = this.#run;
    const settled = new AbortController();
    const moved = this.#feed.until(
      (event) => event.type !== 'event' || event.event.event === 'status',
      settled.signal,
    );
    const answered = this.#run.ask({
      kind: 'question',
      prompt: 'The run is paused. Shall it go on?',
      options: ['resume', 'abandon'],
    });
    const first = await Promise.race([answered, moved.then(() => null)]).catch(() => null);
    settled.abort();
    await moved;
    if (first === null) {
      // another client went on, or ended it: what follows is no part of this run
      yield* this.#sync();
      const isAbandoned = this.#end?.result === 'abandoned';
      if (isAbandoned) yield calledOff('abandoned');
      else yield [this.#pod.teller.notice('info', 'POD_PAUSE_ENDED', 'Another client ended the pause')];
      return false;
    }
    if (first.decision === 'resume') {
      this.#pod.send({ method: 'resume' });
      return true;
    }
    if (first.decision === null && signal.reason === 'stop') return false;
    this.#pod.send({ method: 'cancel' });
    for (;;) {
      const event = await this.#feed.next(null, this.#pod.acceptMs);
      if (event?.type === 'lost') this.#pod.lost(event.error);
      const isOver =
        event?.type !== 'event' || event.event.event === 'status' || event.event.event === 'error';
      if (!isOver) continue;
      yield* this.#sync();
      yield [{ type: 'withdrawn', reason: 'The pause was answered with abandon' }];
      return false;
    }
  }

  /** The pod's run is over: how? @throws RuntimeError it failed */
  *#conclude(): Generator<readonly EngineOutput[], void, undefined> {
    if (this.#run.signal.aborted) return;
    if (this.#result === 'finished' || this.#result === 'limit_reached') return;
    if (this.#result === 'rolled_back') return yield calledOff('taken back');
    const end = this.#end;
    const error = this.#error ?? (end?.result === 'errored' ? { code: '', message: end.message } : null);
    if (error && isCancelled(error.message)) return yield calledOff('cancelled');
    if (error) throw runError(error.code, error.message);
    if (end?.result === 'finished' || end?.result === 'limit_reached') return;
    yield calledOff(end?.result === 'abandoned' ? 'abandoned' : 'ended');
  }
}
