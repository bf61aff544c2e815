import { setTimeout as delay } from 'node:timers/promises';
import {
  type EngineContext,
  type EngineOutput,
  type EngineSession,
  inputText,
  type Run,
  type RunInput,
  RuntimeError,
} from '@worker-runtime/core';
import type { DetachReason } from '@worker-runtime/core/plugin-kit';
import { missedText } from './link/in-flight-blocks.ts';
import type { LinkEvent } from './link/link-event.ts';
import { PodFeed } from './link/pod-feed.ts';
import type { PodLink } from './link/pod-link.ts';
import { PodLog } from './link/pod-log.ts';
import type { StreamPosition } from './link/stream-position.ts';
import type { StreamTracker } from './link/stream-tracker.ts';
import { type ConversationItem, conversationItems } from './log/conversation-item.ts';
import { OutputMapper } from './log/output-mapper.ts';
import type { PodRedactor } from './log/pod-redactor.ts';
import { countRecordedItems } from './log/recorded-items.ts';
import { SegmentChain } from './log/segment-chain.ts';
import type { LogEntry } from './records/log-entry.ts';
import type { PodFiles } from './records/pod-files.ts';
import { textAt } from './records/record-fields.ts';
import { Alerts } from './runs/alerts.ts';
import type { FollowedPod } from './runs/followed-pod.ts';
import { type OtherRun, OtherRuns } from './runs/other-runs.ts';
import { runError } from './runs/run-error.ts';
import { RunFollower } from './runs/run-follower.ts';
import { isCancelled, withdrawnByClient } from './runs/withdrawn-run.ts';
import { type PodSnapshot, type PodStatus, podStatus } from './wire/pod-event.ts';

export interface SessionOptions {
  readonly context: EngineContext;
  readonly files: PodFiles;
  readonly name: string;
  readonly redactor: PodRedactor;
  readonly acceptMs: number;
  /** True if the conversation before the Worker's creation has to be copied into the Worker's log. */
  readonly isCopying: boolean;
  /** Ends the pod or leaves it running, depending on the reason. */
  readonly release: (reason: DetachReason, link: PodLink | null) => Promise<void>;
  /** Answers the open requests of the Worker with this decision. */
  readonly answerRequests: (decision: string) => Promise<void>;
  /** Called after each run, because the pod may have started child pods in it. */
  readonly onRunEnd: () => void;
}

type Outputs = AsyncGenerator<readonly EngineOutput[], void, undefined>;

/** True if a run's input is committed by the time of this event. The pod commits it before the first turn. */
const isInputCommitted = (event: LinkEvent): boolean =>
  event.type !== 'event' ||
  event.event.event === 'turn_start' ||
  (event.event.event === 'status' && podStatus(event.event.data) !== 'running');

/**
 * An attached pod. Sends the runtime's inputs to the pod. All other runs of the pod (for other clients, by the pod
 * itself, or before the Worker was created) become runs with the origin `engine`, in the order of the pod's log.
 */
export class PodSession implements EngineSession, FollowedPod {
  readonly redactor: PodRedactor;
  readonly mapper: OutputMapper;
  readonly acceptMs: number;
  readonly #options: SessionOptions;
  readonly #log: PodLog;
  readonly #alerts = new Alerts();
  readonly #others: OtherRuns;
  #link: PodLink | null = null;
  #model: string | null = null;
  #status: PodStatus = 'idle';
  /** The events of the active run. Null while the pod is idle. */
  #feed: PodFeed | null = null;
  #connected: Promise<void> = Promise.resolve();
  #isCopying: boolean;
  #isDetached = false;
  #isEnding = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.redactor = options.redactor;
    this.acceptMs = options.acceptMs;
    this.mapper = new OutputMapper(options.redactor, () => this.#model);
    this.#log = new PodLog(options.files, options.name, options.redactor);
    this.#others = new OtherRuns(options.context, options.redactor, (items) => this.putBack(items));
    this.#isCopying = options.isCopying;
  }

  get tracker(): StreamTracker {
    return this.#log.tracker;
  }

  /** True while the conversation before the Worker's creation is being copied into the Worker's log. */
  get isCopying(): boolean {
    return this.#isCopying && !this.#others.isEmpty;
  }

  get model(): string | null {
    return this.#model;
  }

  /** Starts from the pod's present state. Records the items that the Worker's log lacks once the Worker is attached. */
  async connect(link: PodLink, snapshot: PodSnapshot): Promise<void> {
    this.#link = link;
    this.#model = snapshot.model;
    this.#status = snapshot.status;
    const entries = this.#log.begin(snapshot);
    const feed = snapshot.status === 'idle' ? null : new PodFeed();
    this.#feed = feed;
    // This must happen before the first await, so that events of the pod that arrive in the meantime come after it.
    for (const event of missedText(snapshot, conversationItems(entries)))
      feed?.push(this.tracker.stamp(event));
    if (snapshot.status === 'paused')
      feed?.push({ type: 'event', event: { event: 'status', data: { status: 'paused' } } });
    this.#connected = this.#queueMissingRuns(entries, feed);
    await this.#connected;
    this.#inBackground(this.#record());
  }

  /** Receives each event of the link. */
  readonly receive = (event: LinkEvent): void =>
    this.#handle(this.tracker.stamp(event), event.type === 'reconnected');

  #handle(event: LinkEvent, isNew = false): void {
    if (event.type === 'event') {
      const { event: name, data } = event.event;
      if (name === 'alert') this.#alerts.add(data, this.mapper);
      if (name === 'shutdown') this.#isEnding = true;
      if (name === 'compact_done') this.redactor.addWords([textAt(data, 'new_segment_id')]);
      if (name === 'status') this.#status = podStatus(data);
    } else if (event.type === 'reconnected') {
      this.#status = event.snapshot.status;
      if (isNew) this.#log.restartStream(event.snapshot);
    }
    if (this.#feed) this.#feed.push(event);
    else if (event.type === 'lost') this.lost(event.error);
    else if (event.type === 'reconnected' && this.#status === 'idle') this.#inBackground(this.#catchUp());
    else if (this.#status !== 'idle' && (event.type === 'reconnected' || event.event.event === 'status'))
      this.#beginOtherRun(event);
  }

  async *run(run: Run): Outputs {
    try {
      const other = this.#others.take(run);
      if (other) yield* this.#recordOtherRun(run, other);
      else if (run.input) yield* this.#requestRun(run, run.input);
    } finally {
      this.#options.onRunEnd();
    }
  }

  async detach(reason: DetachReason): Promise<void> {
    this.#isDetached = true;
    const feed = this.#feed;
    feed?.push({ type: 'lost', error: new Error('detached') });
    try {
      await this.#options.release(reason, this.#link);
    } finally {
      this.#link?.close();
    }
  }

  send(method: Parameters<PodLink['send']>[0]): void {
    this.#link?.send(method);
  }

  sync(): Promise<readonly ConversationItem[]> {
    return this.#log.sync(this.#link);
  }

  putBack(items: readonly ConversationItem[]): void {
    this.#log.putBack(items);
  }

  alignStream(position: StreamPosition): void {
    this.#log.alignStream(position);
  }

  takeNotices() {
    return this.#alerts.take();
  }

  answerRequests(decision: string, answered: Promise<unknown>): void {
    let isAnswered = false;
    const settled = (): void => {
      isAnswered = true;
    };
    answered.then(settled, settled);
    const { signal } = this.#options.context;
    this.#inBackground(
      (async () => {
        // The request may not be in the log yet.
        for (let pauseMs = 2; !isAnswered && !signal.aborted; pauseMs = Math.min(pauseMs * 2, 250)) {
          await this.#options.answerRequests(decision).catch(() => {});
          if (!isAnswered) await delay(pauseMs, undefined, { signal }).catch(() => {});
        }
      })(),
    );
  }

  lost(error: unknown): void {
    if (!this.#isDetached) this.#options.context.lost(error);
  }

  /** Queues the part of the pod's conversation that the Worker's log does not have. */
  async #queueMissingRuns(entries: readonly LogEntry[], feed: PodFeed | null): Promise<void> {
    const { context, files } = this.#options;
    const conversation = await new SegmentChain(files).conversation(entries);
    const recorded = await countRecordedItems(conversation, context.history(), this.redactor);
    this.#others.add(conversation.slice(recorded), feed, 'past', this.#status);
  }

  /** Follows a run that began for another client, or by the pod itself. */
  #beginOtherRun(event: LinkEvent): void {
    const feed = new PodFeed();
    this.#feed = feed;
    feed.push(event);
    this.#inBackground(this.#queueActiveRun(feed));
  }

  async #queueActiveRun(feed: PodFeed): Promise<void> {
    if (!(await feed.waitFor(isInputCommitted, this.#options.context.signal))) return;
    await this.#connected;
    this.#others.addActive(await this.sync(), feed);
    this.#inBackground(this.#record());
  }

  /** Lets work continue in the background. An error ends this execution; the next one reads the pod's log again. */
  #inBackground(work: Promise<void>): void {
    work.catch((error: unknown) => this.lost(error));
  }

  async #record(): Promise<void> {
    await this.#others.record();
    if (this.#others.isEmpty) this.#isCopying = false;
  }

  async *#recordOtherRun(run: Run, { run: { input, items }, feed, stream, earlier }: OtherRun): Outputs {
    if (feed) {
      yield* this.#follow(feed, new RunFollower(this, run, feed).follow(items, stream, earlier));
      return;
    }
    const outputs = this.mapper.outputs(items);
    if (outputs.length > 0) yield outputs;
    const end = items.findLast((item) => item.kind === 'end');
    if (end?.kind === 'end' && end.result === 'abandoned') return yield withdrawnByClient('abandoned');
    if (end?.kind === 'end' && end.result === 'errored') {
      if (isCancelled(end.message)) return yield withdrawnByClient('cancelled');
      throw runError('', end.message);
    }
    if (!end && input) throw new RuntimeError('EXECUTION_LOST', 'The pod ended before the run did');
  }

  async *#requestRun(run: Run, input: RunInput): Outputs {
    if (this.#isEnding) throw new RuntimeError('ENGINE_UNAVAILABLE', 'The pod is shutting down');
    if (this.#feed) throw new RuntimeError('WORKER_BUSY', 'The pod is running for another client');
    // From here on, the events of the pod are for this run: what follows waits for commits.
    const feed = new PodFeed();
    this.#feed = feed;
    const request = { role: input.role, text: inputText(input) };
    let otherItems: readonly ConversationItem[] | null = null;
    const outputs = new RunFollower(this, run, feed).request(request, (items) => {
      otherItems = items;
    });
    yield* this.#follow(feed, this.#afterOthers(outputs), () => otherItems);
  }

  /** Reports the runs of the pod while it was not attached, which came before the requested run. */
  async *#afterOthers(requested: Outputs): Outputs {
    for (const other of this.#others.takeAll()) {
      if (other.run.input) yield [this.mapper.inputNotice(other.run.input.text)];
      const outputs = this.mapper.outputs([...(other.earlier ?? []), ...other.run.items]);
      if (outputs.length > 0) yield outputs;
    }
    yield* requested;
  }

  /**
   * Publishes the outputs of a run. Afterwards, handles the events that the run did not take, and queues the items
   * that `otherItems` returns: those of other runs, if the requested run never began.
   */
  async *#follow(
    feed: PodFeed,
    outputs: Outputs,
    otherItems: () => readonly ConversationItem[] | null = () => null,
  ): Outputs {
    try {
      yield* outputs;
    } finally {
      const rest = feed.takeRest();
      const items = otherItems();
      if (this.#feed === feed) this.#feed = null;
      if (items !== null && this.#status === 'running') {
        // The active run belongs to another client.
        const other = new PodFeed();
        this.#feed = other;
        for (const event of rest) other.push(event);
        this.#others.add(items, other, 'pending', this.#status);
      } else {
        if (items !== null) this.#others.addEnded(items);
        for (const event of rest) this.#handle(event);
      }
      this.#inBackground(this.#record());
    }
  }

  /** Queues the runs that began and ended while the link was down. Events will report a run that is still active. */
  async #catchUp(): Promise<void> {
    await this.#connected;
    this.#others.addEnded(await this.sync());
    this.#inBackground(this.#record());
  }
}
