import type { JsonObject } from '@worker-runtime/core';
import { type LogEntry, logEntry } from '../records/log-entry.ts';
import type { PodFiles } from '../records/pod-files.ts';
import { type Loss, readRecordLines } from '../records/record-lines.ts';
import { type Said, saidEntries, saidItem } from './said.ts';

/** Fewer than a conversation of years makes; where more are named they go in a circle. */
const MOST_SEGMENTS = 1_000;

const REASONS: Readonly<Record<Loss['reason'], string>> = {
  torn: 'the last record is incomplete',
  unreadable: 'not a record',
  encoding: 'not valid UTF-8',
  'unknown-kind': 'a record of an unknown kind',
};

/** A loss as people read it: the place in the log, no name of a file. */
export const lossNotice = ({ reason, line, offset }: Loss): Said => ({
  ts: 0,
  what: 'notice',
  severity: 'warning',
  code: 'POD_RECORD_LOST',
  message: `Line ${line} (byte ${offset}) of a session log could not be read: ${REASONS[reason]}`,
});

export interface SegmentLog {
  readonly entries: readonly LogEntry[];
  readonly losses: readonly Loss[];
}

/** The entries of a segment as they stand in its file, read leniently. */
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

/** The entries that a pod sent of its own segment. What this version does not know is left out. */
export const entriesOf = (raw: readonly JsonObject[]): readonly LogEntry[] =>
  raw.map(logEntry).filter((entry) => entry !== null);

/** What belongs to a turn without being said: it is written behind the turn's end. */
const isTrailing = ({ kind }: LogEntry): boolean =>
  kind === 'llm_usage' || kind === 'extension' || kind === 'run_completed' || kind === 'run_errored';

/** Up to the end of a turn: what the segment that goes on from there has taken over. */
export const throughTurn = (entries: readonly LogEntry[], turn: number): readonly LogEntry[] => {
  let end = entries.findIndex((entry) => entry.kind === 'turn_end' && entry.turn === turn);
  if (end === -1) return entries;
  end += 1;
  while (end < entries.length && isTrailing(entries[end] as LogEntry)) end += 1;
  return entries.slice(0, end);
};

/** A conversation goes on in a new segment after a compaction or a fork; this puts the earlier ones before it. */
export class SegmentChain {
  readonly #files: PodFiles;
  readonly #seen = new Set<string>();

  constructor(files: PodFiles) {
    this.#files = files;
  }

  /** The whole conversation up to the end of `entries`, whose first one starts the last segment. */
  async conversation(entries: readonly LogEntry[]): Promise<readonly Said[]> {
    return [...(await this.#before(entries)), ...saidEntries(entries)];
  }

  async #before(entries: readonly LogEntry[]): Promise<readonly Said[]> {
    const start = entries.find((entry) => entry.kind === 'segment_start');
    if (!start) return [];
    const seed = start.history.map((item) => saidItem(item, start.ts)).filter((said) => said !== null);
    const origin = start.compactedFrom ?? start.forkedFrom;
    if (!origin) return seed;
    const source = await this.#source(start.session, origin.segment);
    if (!source) {
      const message = 'The beginning of the conversation is not there any more: what follows was kept of it';
      return [
        { ts: start.ts, what: 'notice', severity: 'warning', code: 'POD_HISTORY_MISSING', message },
        ...seed,
      ];
    }
    const taken = throughTurn(source.entries, origin.turn);
    const said = [...(await this.#before(taken)), ...saidEntries(taken), ...source.losses.map(lossNotice)];
    if (!start.compactedFrom) return said;
    const message = 'The pod compacted the conversation';
    return [...said, { ts: start.ts, what: 'notice', severity: 'info', code: 'POD_COMPACTED', message }];
  }

  async #source(session: string, segment: string): Promise<SegmentLog | null> {
    if (this.#seen.has(segment) || this.#seen.size >= MOST_SEGMENTS) return null;
    this.#seen.add(segment);
    const bytes = await this.#files.segment(session, segment).catch(() => null);
    return bytes && segmentLog(bytes);
  }
}
