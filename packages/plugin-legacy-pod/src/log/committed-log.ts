import type { LogEntry } from '../records/log-entry.ts';
import type { PodFiles } from '../records/pod-files.ts';
import { type ConversationItem, conversationItems } from './conversation-item.ts';
import { lossNotice, segmentLog, throughTurn } from './segment-chain.ts';

type SegmentStart = Extract<LogEntry, { readonly kind: 'segment_start' }>;

const markOf = ({ kind, ts }: LogEntry): string => `${kind} ${ts}`;

const startOf = (entries: readonly LogEntry[]): SegmentStart | null => {
  const [first] = entries;
  return first?.kind === 'segment_start' ? first : null;
};

/**
 * A position in a pod's committed log: how far it was read. The two lanes on which a pod streams have no ids and no
 * order between them, so no durable event is made from them. The committed entries are the only order.
 */
export class CommittedLog {
  readonly #files: PodFiles;
  /** The entries of the present segment that were read. They show if the log was cut back. */
  #marks: string[] = [];
  #segment = '';
  #start: SegmentStart | null = null;

  constructor(files: PodFiles) {
    this.#files = files;
  }

  /** Takes all these entries as read. */
  skip(entries: readonly LogEntry[]): void {
    this.#start = startOf(entries);
    this.#segment = this.#start ? markOf(this.#start) : '';
    this.#marks = entries.map(markOf);
  }

  /** Returns the items committed since the last call. `entries` is the pod's present segment. */
  async advance(entries: readonly LogEntry[]): Promise<readonly ConversationItem[]> {
    const start = startOf(entries);
    const segment = start ? markOf(start) : '';
    if (segment === this.#segment || this.#segment === '') {
      const known = this.#segment === segment ? this.#countKnown(entries) : 0;
      const isCut = known < this.#marks.length && this.#segment === segment;
      this.skip(entries);
      return [...(isCut ? [rewindNotice(start?.ts ?? 0)] : []), ...conversationItems(entries.slice(known))];
    }
    const rest = start ? await this.#restOfLast(start) : [];
    this.skip(entries);
    return [...rest, ...conversationItems(entries)];
  }

  /** Returns the items that were added to the last segment before this one continued it. */
  async #restOfLast(start: SegmentStart): Promise<readonly ConversationItem[]> {
    const origin = start.compactedFrom ?? start.forkedFrom;
    if (!origin || this.#start?.session !== start.session) return [];
    const bytes = await this.#files.segment(start.session, origin.segment).catch(() => null);
    const notice: readonly ConversationItem[] = start.compactedFrom
      ? [
          {
            ts: start.ts,
            kind: 'notice',
            severity: 'info',
            code: 'POD_COMPACTED',
            message: 'The pod compacted the conversation',
          },
        ]
      : [];
    if (!bytes) return notice;
    const { entries, losses } = segmentLog(bytes);
    const [first] = entries;
    if (!first || markOf(first) !== this.#segment) return notice;
    const taken = throughTurn(entries, origin.turn);
    const known = this.#countKnown(taken);
    return [...conversationItems(taken.slice(known)), ...losses.map(lossNotice), ...notice];
  }

  /** Counts the leading entries that were read before. */
  #countKnown(entries: readonly LogEntry[]): number {
    let at = 0;
    while (
      at < entries.length &&
      at < this.#marks.length &&
      markOf(entries[at] as LogEntry) === this.#marks[at]
    )
      at += 1;
    return at;
  }
}

const rewindNotice = (ts: number): ConversationItem => ({
  ts,
  kind: 'notice',
  severity: 'info',
  code: 'POD_REWOUND',
  message: 'The pod rewound a part of the conversation. This log keeps what it had recorded of that part',
});
