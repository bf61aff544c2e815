import type { LogEntry } from '../records/log-entry.ts';
import type { PodFiles } from '../records/pod-files.ts';
import { type Said, saidEntries } from './said.ts';
import { lossNotice, segmentLog, throughTurn } from './segment-chain.ts';

type SegmentStart = Extract<LogEntry, { readonly kind: 'segment_start' }>;

const markOf = ({ kind, ts }: LogEntry): string => `${kind} ${ts}`;

const startOf = (entries: readonly LogEntry[]): SegmentStart | null => {
  const [first] = entries;
  return first?.kind === 'segment_start' ? first : null;
};

/**
 * How far a pod's committed log has been read. What the pod streams has no order between its two lanes and no ids, so
 * nothing durable is made of it: the committed entries are the one order, and this is a position in them.
 */
export class CommittedLog {
  readonly #files: PodFiles;
  /** The entries of the present segment that were read, so that a log that was cut back is noticed. */
  #marks: string[] = [];
  #segment = '';
  #start: SegmentStart | null = null;

  constructor(files: PodFiles) {
    this.#files = files;
  }

  /** Takes all of these as read. */
  skip(entries: readonly LogEntry[]): void {
    this.#start = startOf(entries);
    this.#segment = this.#start ? markOf(this.#start) : '';
    this.#marks = entries.map(markOf);
  }

  /** What was committed since the last call, from the present state of the pod's segment. */
  async advance(entries: readonly LogEntry[]): Promise<readonly Said[]> {
    const start = startOf(entries);
    const segment = start ? markOf(start) : '';
    if (segment === this.#segment || this.#segment === '') {
      const known = this.#segment === segment ? this.#common(entries) : 0;
      const isCut = known < this.#marks.length && this.#segment === segment;
      this.skip(entries);
      return [...(isCut ? [cutNotice(start?.ts ?? 0)] : []), ...saidEntries(entries.slice(known))];
    }
    const rest = start ? await this.#restOfLast(start) : [];
    this.skip(entries);
    return [...rest, ...saidEntries(entries)];
  }

  /** What the last segment got before this one went on from it. */
  async #restOfLast(start: SegmentStart): Promise<readonly Said[]> {
    const origin = start.compactedFrom ?? start.forkedFrom;
    if (!origin || this.#start?.session !== start.session) return [];
    const bytes = await this.#files.segment(start.session, origin.segment).catch(() => null);
    const notice: readonly Said[] = start.compactedFrom
      ? [
          {
            ts: start.ts,
            what: 'notice',
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
    const known = this.#common(taken);
    return [...saidEntries(taken.slice(known)), ...losses.map(lossNotice), ...notice];
  }

  /** How many entries are those that were read. */
  #common(entries: readonly LogEntry[]): number {
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

const cutNotice = (ts: number): Said => ({
  ts,
  what: 'notice',
  severity: 'info',
  code: 'POD_REWOUND',
  message: 'The pod took back a part of the conversation: what was said of it stays in this log',
});
