import type { JsonObject } from '@worker-runtime/core';
import { type LogEntry, logEntry } from '../records/log-entry.ts';
import type { PodFiles } from '../records/pod-files.ts';
import { type Loss, readRecordLines } from '../records/record-lines.ts';
import { type ConversationItem, conversationItem, conversationItems } from './conversation-item.ts';

/** More segments than a conversation of years has. A longer chain is a circle. */
const MAX_SEGMENTS = 1_000;

const REASONS: Readonly<Record<Loss['reason'], string>> = {
  torn: 'the last record is incomplete',
  unreadable: 'not a record',
  encoding: 'not valid UTF-8',
  'unknown-kind': 'a record of an unknown kind',
};

/** Returns the public notice about a loss. It gives the position in the log and does not name the file. */
export const lossNotice = ({
  reason,
  line,
  offset,
}: Loss): Extract<ConversationItem, { kind: 'notice' }> => ({
  ts: 0,
  kind: 'notice',
  severity: 'warning',
  code: 'POD_RECORD_LOST',
  message: `Line ${line} (byte ${offset}) of a session log could not be read: ${REASONS[reason]}`,
});

export interface SegmentLog {
  readonly entries: readonly LogEntry[];
  readonly losses: readonly Loss[];
}

/** Reads the entries of a segment from the bytes of its file. Reports unreadable parts as losses. */
export const segmentLog = (bytes: Uint8Array): SegmentLog => {
  const { records, losses } = readRecordLines(bytes);
  const all = [...losses];
  const entries: LogEntry[] = [];
  for (const { record, line, offset } of records) {
    const entry = logEntry(record);
    if (entry) entries.push(entry);
    else all.push({ reason: 'unknown-kind', line, offset });
  }
  return { entries, losses: all.sort((a, b) => a.offset - b.offset) };
};

/** Converts the entries that a pod sent of its present segment. Skips records of an unknown kind. */
export const entriesOf = (raw: readonly JsonObject[]): readonly LogEntry[] =>
  raw.map(logEntry).filter((entry) => entry !== null);

/** True if the entry belongs to the turn before it, although it is written after the end of that turn. */
const isTrailing = ({ kind }: LogEntry): boolean =>
  kind === 'llm_usage' || kind === 'extension' || kind === 'run_completed' || kind === 'run_errored';

/** Returns the entries up to the end of a turn: those that a segment which continues from that turn has taken over. */
export const throughTurn = (entries: readonly LogEntry[], turn: number): readonly LogEntry[] => {
  let end = entries.findIndex((entry) => entry.kind === 'turn_end' && entry.turn === turn);
  if (end === -1) return entries;
  end += 1;
  while (end < entries.length && isTrailing(entries[end] as LogEntry)) end += 1;
  return entries.slice(0, end);
};

/** Reads a conversation over all its segments. A compaction or a fork continues a conversation in a new segment. */
export class SegmentChain {
  readonly #files: PodFiles;
  readonly #seen = new Set<string>();

  constructor(files: PodFiles) {
    this.#files = files;
  }

  /** Returns the whole conversation up to the end of `entries`, the entries of the last segment. */
  async conversation(entries: readonly LogEntry[]): Promise<readonly ConversationItem[]> {
    return [...(await this.#before(entries)), ...conversationItems(entries)];
  }

  async #before(entries: readonly LogEntry[]): Promise<readonly ConversationItem[]> {
    const start = entries.find((entry) => entry.kind === 'segment_start');
    if (!start) return [];
    const seed = start.history
      .map((logged) => conversationItem(logged, start.ts))
      .filter((item) => item !== null);
    const origin = start.compactedFrom ?? start.forkedFrom;
    if (!origin) return seed;
    const source = await this.#source(start.session, origin.segment);
    if (!source) {
      const message =
        'The log of the earlier conversation is missing. Only the part that the pod kept follows';
      return [
        { ts: start.ts, kind: 'notice', severity: 'warning', code: 'POD_HISTORY_MISSING', message },
        ...seed,
      ];
    }
    const taken = throughTurn(source.entries, origin.turn);
    const before = await this.#before(taken);
    const items = [...before, ...conversationItems(taken), ...source.losses.map(lossNotice)];
    if (!start.compactedFrom) return items;
    const message = 'The pod compacted the conversation';
    return [...items, { ts: start.ts, kind: 'notice', severity: 'info', code: 'POD_COMPACTED', message }];
  }

  async #source(session: string, segment: string): Promise<SegmentLog | null> {
    if (this.#seen.has(segment) || this.#seen.size >= MAX_SEGMENTS) return null;
    this.#seen.add(segment);
    const bytes = await this.#files.segment(session, segment).catch(() => null);
    return bytes && segmentLog(bytes);
  }
}
