import { CommittedLog } from '../log/committed-log.ts';
import { type ConversationItem, conversationItems } from '../log/conversation-item.ts';
import { countMessages, minus, NO_MESSAGES } from '../log/message-counts.ts';
import type { PodRedactor } from '../log/pod-redactor.ts';
import { entriesOf, segmentLog } from '../log/segment-chain.ts';
import type { LogEntry } from '../records/log-entry.ts';
import { readMetadata } from '../records/metadata.ts';
import type { PodFiles } from '../records/pod-files.ts';
import type { PodSnapshot } from '../wire/pod-event.ts';
import type { PodLink } from './pod-link.ts';
import type { StreamPosition } from './stream-position.ts';
import { StreamTracker } from './stream-tracker.ts';

/** Reads the log of an attached pod. Keeps items that were read too early, and compares the log with the stream. */
export class PodLog {
  readonly tracker = new StreamTracker();
  readonly #files: PodFiles;
  readonly #name: string;
  readonly #redactor: PodRedactor;
  readonly #committed: CommittedLog;
  /** Items that were read and belong to a later run. */
  readonly #ahead: ConversationItem[] = [];
  /** The last read. A read that began earlier must not be applied after a later one. */
  #reading: Promise<unknown> = Promise.resolve();
  /** The messages of the present segment that were read. */
  #messages = NO_MESSAGES;

  constructor(files: PodFiles, name: string, redactor: PodRedactor) {
    this.#files = files;
    this.#name = name;
    this.#redactor = redactor;
    this.#committed = new CommittedLog(files);
  }

  /** Takes all entries of the snapshot as read, and returns them. */
  begin({ entries: raw }: PodSnapshot): readonly LogEntry[] {
    const entries = entriesOf(raw);
    this.#addPrivateIds(entries);
    this.#committed.skip(entries);
    this.#messages = countMessages(conversationItems(entries));
    return entries;
  }

  /** Returns the items committed since the last call. Reads them over a connection of their own. */
  sync(link: PodLink | null): Promise<readonly ConversationItem[]> {
    const read = this.#reading.then(async () => {
      const fresh = await this.#readFresh(link);
      return [...this.#ahead.splice(0), ...fresh];
    });
    this.#reading = read.catch(() => {});
    return read;
  }

  /** Puts items back, so that the next `sync` begins with them. */
  putBack(items: readonly ConversationItem[]): void {
    this.#ahead.unshift(...items);
  }

  /** Begins a new stream at this snapshot. */
  restartStream({ entries }: PodSnapshot): void {
    this.tracker.restart(minus(countMessages(conversationItems(entriesOf(entries))), this.#messages));
  }

  /** Restarts the comparison with the stream at the end of a run that broke off. */
  alignStream(position: StreamPosition): void {
    this.tracker.align(position, this.#ahead);
  }

  async #readFresh(link: PodLink | null): Promise<readonly ConversationItem[]> {
    const snapshot = await link?.snapshot();
    if (snapshot) return this.#advance(entriesOf(snapshot.entries));
    // The pod does not answer. Its file has everything that it committed.
    const metadata = await readMetadata(this.#files, this.#name).catch(() => null);
    if (metadata === null || metadata === 'corrupt') return [];
    const { session, segment } = metadata;
    const bytes = await this.#files.segment(session ?? '', segment ?? '').catch(() => null);
    return bytes === null ? [] : this.#advance(segmentLog(bytes).entries);
  }

  async #advance(entries: readonly LogEntry[]): Promise<readonly ConversationItem[]> {
    this.#addPrivateIds(entries);
    const items = await this.#committed.advance(entries);
    this.#messages = countMessages(conversationItems(entries));
    this.tracker.countRead(items);
    return items;
  }

  /** Adds to the redactor the ids that only the log contains. */
  #addPrivateIds(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      if (entry.kind !== 'segment_start') continue;
      const { session, compactedFrom, forkedFrom } = entry;
      this.#redactor.addWords([session, compactedFrom?.segment ?? null, forkedFrom?.segment ?? null]);
    }
  }
}
