import { CommittedLog } from '../log/committed-log.ts';
import { countMessages, minus, NO_MESSAGES } from '../log/message-counts.ts';
import type { PodRedactor } from '../log/pod-redactor.ts';
import { type Said, saidEntries } from '../log/said.ts';
import { entriesOf, segmentLog } from '../log/segment-chain.ts';
import type { LogEntry } from '../records/log-entry.ts';
import { readMetadata } from '../records/metadata.ts';
import type { PodFiles } from '../records/pod-files.ts';
import type { PodSnapshot } from '../wire/pod-event.ts';
import type { PodLink } from './pod-link.ts';
import { type StreamMark, StreamPlace } from './stream-place.ts';

/** The log of an attached pod: what of it was read, what is still to be told, and how the stream stands to it. */
export class PodLog {
  readonly place = new StreamPlace();
  readonly #files: PodFiles;
  readonly #name: string;
  readonly #redactor: PodRedactor;
  readonly #committed: CommittedLog;
  /** Read, and not told yet: it belongs to a run that follows. */
  readonly #ahead: Said[] = [];
  /** What the present segment has, as far as it was read. */
  #messages = NO_MESSAGES;

  constructor(files: PodFiles, name: string, redactor: PodRedactor) {
    this.#files = files;
    this.#name = name;
    this.#redactor = redactor;
    this.#committed = new CommittedLog(files);
  }

  /** Takes all of this as read. */
  begin({ entries: raw }: PodSnapshot): readonly LogEntry[] {
    const entries = entriesOf(raw);
    this.#learn(entries);
    this.#committed.skip(entries);
    this.#messages = countMessages(saidEntries(entries));
    return entries;
  }

  /** What was committed since the last call, over a connection of its own. */
  async sync(link: PodLink | null): Promise<readonly Said[]> {
    const fresh = await this.#fresh(link);
    return [...this.#ahead.splice(0), ...fresh];
  }

  putBack(said: readonly Said[]): void {
    this.#ahead.unshift(...said);
  }

  /** The stream goes on from here. */
  streamBegins({ entries }: PodSnapshot): void {
    this.place.restart(minus(countMessages(saidEntries(entriesOf(entries))), this.#messages));
  }

  runBroke(at: StreamMark): void {
    this.place.align(at, this.#ahead);
  }

  async #fresh(link: PodLink | null): Promise<readonly Said[]> {
    const snapshot = await link?.snapshot();
    if (snapshot) return this.#advance(entriesOf(snapshot.entries));
    // the pod is gone: what it has committed is in its file
    const metadata = await readMetadata(this.#files, this.#name).catch(() => null);
    if (metadata === null || metadata === 'corrupt') return [];
    const { session, segment } = metadata;
    const bytes = await this.#files.segment(session ?? '', segment ?? '').catch(() => null);
    return bytes === null ? [] : this.#advance(segmentLog(bytes).entries);
  }

  async #advance(entries: readonly LogEntry[]): Promise<readonly Said[]> {
    this.#learn(entries);
    const said = await this.#committed.advance(entries);
    this.#messages = countMessages(saidEntries(entries));
    this.place.read(said);
    return said;
  }

  /** What is only known from the log, and must not be published. */
  #learn(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      if (entry.kind !== 'segment_start') continue;
      const { session, compactedFrom, forkedFrom } = entry;
      this.#redactor.addWords([session, compactedFrom?.segment ?? null, forkedFrom?.segment ?? null]);
    }
  }
}
