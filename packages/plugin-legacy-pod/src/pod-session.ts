import {
  type DetachReason,
  type EngineContext,
  type EngineOutput,
  type EngineSession,
  type Run,
  type RunInput,
  RuntimeError,
} from '@worker-runtime/core';
import { missedText } from './link/in-flight-blocks.ts';
import { PodFeed } from './link/pod-feed.ts';
import type { LinkEvent, PodLink } from './link/pod-link.ts';
import { PodLog } from './link/pod-log.ts';
import type { StreamMark, StreamPlace } from './link/stream-place.ts';
import type { PodRedactor } from './log/pod-redactor.ts';
import { countRecorded } from './log/recorded.ts';
import { type Said, saidEntries } from './log/said.ts';
import { SegmentChain } from './log/segment-chain.ts';
import { Teller } from './log/teller.ts';
import type { LogEntry } from './records/log-entry.ts';
import type { PodFiles } from './records/pod-files.ts';
import { textAt } from './records/record-fields.ts';
import { Alerts } from './runs/alerts.ts';
import { calledOff, isCancelled } from './runs/called-off.ts';
import type { FollowedPod } from './runs/followed-pod.ts';
import { type OtherRun, OtherRuns } from './runs/other-runs.ts';
import { runError } from './runs/run-error.ts';
import { RunFollower } from './runs/run-follower.ts';
import { type PodSnapshot, type PodStatus, podStatus } from './wire/pod-event.ts';

export interface SessionOptions {
  readonly context: EngineContext;
  readonly files: PodFiles;
  readonly name: string;
  readonly redactor: PodRedactor;
  readonly acceptMs: number;
  /** Whether the conversation before this Worker is still being copied into its log. */
  readonly isCopying: boolean;
  /** Ends the pod, or leaves it. */
  readonly release: (reason: DetachReason, link: PodLink | null) => Promise<void>;
  /** A run has ended: children may have come. */
  readonly onRunEnd: () => void;
}

type Outputs = AsyncGenerator<readonly EngineOutput[], void, undefined>;

/** Whether there is enough to say what began: the input of a run is committed before its first turn. */
const tellsRun = (event: LinkEvent): boolean =>
  event.type !== 'event' ||
  event.event.event === 'turn_start' ||
  (event.event.event === 'status' && podStatus(event.event.data) !== 'running');

/**
 * One attached pod. What the runtime asks for, the pod is asked; what the pod does besides (for other clients, by
 * itself, before this Worker) becomes runs that nobody here asked for, one after the other, in the order of its log.
 */
export class PodSession implements EngineSession, FollowedPod {
  readonly redactor: PodRedactor;
  readonly teller: Teller;
  readonly acceptMs: number;
  readonly #options: SessionOptions;
  readonly #log: PodLog;
  readonly #alerts = new Alerts();
  readonly #others: OtherRuns;
  #link: PodLink | null = null;
  #model: string | null = null;
  #status: PodStatus = 'idle';
  /** Of the run that is on; idle otherwise. */
  #feed: PodFeed | null = null;
  #connected: Promise<void> = Promise.resolve();
  #isCopying: boolean;
  #isDetached = false;
  #isEnding = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.redactor = options.redactor;
    this.acceptMs = options.acceptMs;
    this.teller = new Teller(options.redactor, () => this.#model);
    this.#log = new PodLog(options.files, options.name, options.redactor);
    this.#others = new OtherRuns(options.context, options.redactor, (said) => this.putBack(said));
    this.#isCopying = options.isCopying;
  }

  get place(): StreamPlace {
    return this.#log.place;
  }

  /** Whether the conversation before this Worker is not wholly in its log yet. */
  get isCopying(): boolean {
    return this.#isCopying && !this.#others.isEmpty;
  }

  get model(): string | null {
    return this.#model;
  }

  /** Takes a pod over as it is: what its log has and ours has not is recorded as soon as the Worker is attached. */
  async connect(link: PodLink, snapshot: PodSnapshot): Promise<void> {
    this.#link = link;
    this.#model = snapshot.model;
    this.#status = snapshot.status;
    const entries = this.#log.begin(snapshot);
    const feed = snapshot.status === 'idle' ? null : new PodFeed();
    this.#feed = feed;
    // all of this before the first await: what the pod says meanwhile comes behind it
    for (const event of missedText(snapshot, saidEntries(entries))) feed?.push(this.place.stamp(event));
    if (snapshot.status === 'paused')
      feed?.push({ type: 'event', event: { event: 'status', data: { status: 'paused' } } });
    this.#connected = this.#findMissing(entries, feed);
    await this.#connected;
    this.#behind(this.#record());
  }

  /** Everything that comes from the pod. */
  readonly receive = (event: LinkEvent): void => this.#hear(this.place.stamp(event), event.type === 'again');

  #hear(event: LinkEvent, isNew = false): void {
    if (event.type === 'event') {
      const { event: name, data } = event.event;
      if (name === 'alert') this.#alerts.add(data, this.teller);
      if (name === 'shutdown') this.#isEnding = true;
      if (name === 'compact_done') this.redactor.addWords([textAt(data, 'new_segment_id')]);
      if (name === 'status') this.#status = podStatus(data);
    } else if (event.type === 'again') {
      this.#status = event.snapshot.status;
      if (isNew) this.#log.streamBegins(event.snapshot);
    }
    if (this.#feed) this.#feed.push(event);
    else if (event.type === 'lost') this.lost(event.error);
    else if (event.type === 'again' && this.#status === 'idle') this.#behind(this.#catchUp());
    else if (this.#status !== 'idle' && (event.type === 'again' || event.event.event === 'status'))
      this.#begun(event);
  }

  async *run(run: Run): Outputs {
    try {
      const other = this.#others.take(run);
      if (other) yield* this.#recordedRun(run, other);
      else if (run.input) yield* this.#askedRun(run, run.input);
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

  sync(): Promise<readonly Said[]> {
    return this.#log.sync(this.#link);
  }

  putBack(said: readonly Said[]): void {
    this.#log.putBack(said);
  }

  runBroke(at: StreamMark): void {
    this.#log.runBroke(at);
  }

  takeNotices() {
    return this.#alerts.take();
  }

  lost(error: unknown): void {
    if (!this.#isDetached) this.#options.context.lost(error);
  }

  async #findMissing(entries: readonly LogEntry[], feed: PodFeed | null): Promise<void> {
    const { context, files } = this.#options;
    const conversation = await new SegmentChain(files).conversation(entries);
    const recorded = await countRecorded(conversation, context.history(), this.redactor);
    this.#others.add(conversation.slice(recorded), feed, 'over', this.#status);
  }

  /** The pod works for somebody else, or by itself. */
  #begun(event: LinkEvent): void {
    const feed = new PodFeed();
    this.#feed = feed;
    feed.push(event);
    this.#behind(this.#recordLive(feed));
  }

  async #recordLive(feed: PodFeed): Promise<void> {
    if (!(await feed.until(tellsRun, this.#options.context.signal))) return;
    await this.#connected;
    this.#others.addHeard(await this.sync(), feed);
    this.#behind(this.#record());
  }

  /** Work that nobody waits for. What it fails of ends this execution; the next one reads the log of the pod anew. */
  #behind(work: Promise<void>): void {
    work.catch((error: unknown) => this.lost(error));
  }

  async #record(): Promise<void> {
    await this.#others.record();
    if (this.#others.isEmpty) this.#isCopying = false;
  }

  async *#recordedRun(run: Run, { run: { input, said }, feed, stream }: OtherRun): Outputs {
    if (feed) {
      yield* this.#following(feed, new RunFollower(this, run, feed).follow(said, stream));
      return;
    }
    const outputs = this.teller.tell(said);
    if (outputs.length > 0) yield outputs;
    const end = said.findLast((one) => one.what === 'end');
    if (end?.what === 'end' && end.result === 'abandoned') return yield calledOff('abandoned');
    if (end?.what === 'end' && end.result === 'errored') {
      if (isCancelled(end.message)) return yield calledOff('cancelled');
      throw runError('', end.message);
    }
    if (!end && input) throw new RuntimeError('EXECUTION_LOST', 'The run had not ended when the pod did');
  }

  async *#askedRun(run: Run, input: RunInput): Outputs {
    if (this.#isEnding) throw new RuntimeError('ENGINE_UNAVAILABLE', 'The pod is shutting down');
    if (this.#feed) throw new RuntimeError('WORKER_BUSY', 'The pod works for another client');
    // what the pod did while nobody was there came before this
    for (const other of this.#others.takeAll()) {
      if (other.run.input)
        yield [this.teller.notice('info', 'POD_INPUT', `Another client wrote: ${other.run.input.text}`)];
      const outputs = this.teller.tell(other.run.said);
      if (outputs.length > 0) yield outputs;
    }
    const feed = new PodFeed();
    this.#feed = feed;
    const asked = { role: input.role, text: input.parts.map(({ text }) => text).join('') };
    let given: readonly Said[] | null = null;
    yield* this.#following(
      feed,
      new RunFollower(this, run, feed).ask(asked, (said) => {
        given = said;
      }),
      () => given,
    );
  }

  /** Whatever ends the following, what the pod says next is heard again. */
  async *#following(
    feed: PodFeed,
    outputs: Outputs,
    given: () => readonly Said[] | null = () => null,
  ): Outputs {
    try {
      yield* outputs;
    } finally {
      const rest = feed.rest();
      const left = given();
      if (this.#feed === feed) this.#feed = null;
      if (left !== null && this.#status === 'running') {
        // what was waited for in vain is the run of another client, and on
        const other = new PodFeed();
        this.#feed = other;
        for (const event of rest) other.push(event);
        this.#others.add(left, other, 'follows', this.#status);
      } else {
        if (left !== null) this.#others.addOver(left);
        for (const event of rest) this.#hear(event);
      }
      this.#behind(this.#record());
    }
  }

  /** After a gap: runs that began and ended in it. One that is on will be heard of. */
  async #catchUp(): Promise<void> {
    await this.#connected;
    this.#others.addOver(await this.sync());
    this.#behind(this.#record());
  }
}
