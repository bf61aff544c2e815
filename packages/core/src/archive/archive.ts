import type { KeyEntry, LogHead } from '../contracts/store.ts';
import { corrupt, decodeArchive } from './archive-bytes.ts';
import type { ArchiveBeginning, ArchivedLog, ArchiveEnd, ArchiveItem } from './archive-item.ts';

/** An archive whose every byte was checked. */
export interface Archive {
  /** The SHA-256 of its content, in hex digits. */
  readonly digest: string;
  readonly beginning: ArchiveBeginning;
  readonly end: ArchiveEnd;
  /** The first log: of an archive of a Worker, the only one. */
  readonly first: ArchivedLog | null;
  /** The logs that were removed while they were read. Their items are in the file, and are no part of its content. */
  readonly removed: ReadonlySet<string>;
}

/** Returns the bytes of an archive from their beginning. May be called several times. */
export type ArchiveBytes = () => AsyncIterable<Uint8Array>;

const OF_LOG: ReadonlySet<string> = new Set(['base', 'keys', 'lines', 'blob', 'removed']);

const NEWLINE = 0x0a;

/** @throws ARCHIVE_CORRUPT the lines are not as many as their item says, or have other numbers */
const checkLines = ({ seq, count, body }: ArchiveItem & { readonly kind: 'lines' }): void => {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  let at = 0;
  for (let number = seq; number < seq + count; number += 1) {
    const begin = `{"seq":${number},`;
    const end = bytes.indexOf(NEWLINE, at);
    if (end === -1 || bytes.toString('latin1', at, at + begin.length) !== begin)
      throw corrupt('a line of a log has another number');
    at = end + 1;
  }
  if (at !== bytes.length) throw corrupt('a log has more lines than the archive says');
};

/** @throws ARCHIVE_CORRUPT */
const jsonIn = ({ body }: ArchiveItem): unknown => {
  try {
    return JSON.parse(Buffer.from(body).toString());
  } catch (cause) {
    throw corrupt('a body is not JSON', cause);
  }
};

const isKeyOf = (head: LogHead, key: Partial<KeyEntry> | null): boolean =>
  typeof key?.hash === 'string' &&
  typeof key.digest === 'string' &&
  Number.isSafeInteger(key.seq) &&
  (key.seq as number) >= 1 &&
  (key.seq as number) <= head.seq &&
  Number.isSafeInteger(key.offset) &&
  (key.offset as number) >= 0 &&
  (key.offset as number) < head.bytes;

type Counts = { -readonly [K in Exclude<keyof ArchiveEnd, 'kind'>]: number };

/** Checks the order of items, and counts them. */
class Survey {
  #beginning: ArchiveBeginning | null = null;
  #end: ArchiveEnd | null = null;
  #first: ArchivedLog | null = null;
  readonly #removed = new Set<string>();
  readonly #logs = new Set<string>();
  readonly #workers = new Set<string>();
  readonly #found: Counts = { workers: 0, events: 0, blobs: 0, bundles: 0, pluginStates: 0 };
  /** The current log, and what came of it. */
  #log: ArchivedLog | null = null;
  #at = { seq: 0, bytes: 0 };
  #baseSeq = 0;
  #blobs = 0;

  add(item: ArchiveItem): void {
    if ((item.kind === 'archive') !== (this.#beginning === null))
      throw corrupt('its first item is another one');
    if (!OF_LOG.has(item.kind)) this.#endLog();
    if (item.kind === 'archive') this.#beginning = item;
    else if (item.kind === 'log') this.#begin(item);
    else if (item.kind === 'bundle') this.#found.bundles += 1;
    else if (item.kind === 'pluginState') this.#found.pluginStates += 1;
    else if (item.kind === 'end') this.#end = item;
    else this.#addToLog(item);
  }

  result(): Omit<Archive, 'digest'> {
    const [beginning, end] = [this.#beginning, this.#end];
    if (beginning === null || end === null) throw corrupt('it is empty');
    for (const [kind, count] of Object.entries(this.#found))
      if (end[kind as keyof Counts] !== count) throw corrupt(`it has not as many ${kind} as its end says`);
    return { beginning, end, first: this.#first, removed: this.#removed };
  }

  #begin(log: ArchivedLog & ArchiveItem): void {
    jsonIn(log);
    // two Workers with one id would keep the runtime from starting
    if (this.#logs.has(log.log) || this.#workers.has(log.workerId)) throw corrupt('it has a Worker twice');
    this.#logs.add(log.log);
    this.#workers.add(log.workerId);
    this.#log = log;
    this.#first ??= log;
    this.#at = { seq: 0, bytes: 0 };
    this.#baseSeq = 0;
    this.#blobs = 0;
  }

  #addToLog(item: ArchiveItem): void {
    if (this.#log === null) throw corrupt('an item belongs to no log');
    if (item.kind === 'blob') this.#blobs += 1;
    else if (item.kind === 'base') {
      if (this.#at.seq > 0) throw corrupt('a base is in the middle of a log');
      this.#at = { seq: item.seq, bytes: item.bytes };
      this.#baseSeq = item.seq;
    } else if (item.kind === 'keys') {
      const [log, keys] = [this.#log, jsonIn(item)];
      if (!Array.isArray(keys) || !keys.every((key) => isKeyOf(log, key)))
        throw corrupt('a key belongs to no event');
    } else if (item.kind === 'removed') {
      this.#removed.add(this.#log.log);
      this.#workers.delete(this.#log.workerId);
      if (this.#first === this.#log) this.#first = null;
      this.#log = null;
    } else if (item.kind === 'lines') {
      const { seq, bytes } = this.#at;
      if (item.seq !== seq + 1 || item.offset !== bytes) throw corrupt('lines of a log are missing');
      checkLines(item);
      this.#at = { seq: seq + item.count, bytes: bytes + item.body.length };
    }
  }

  #endLog(): void {
    if (this.#log === null) return;
    const { seq, bytes } = this.#log;
    if (this.#at.seq !== seq || this.#at.bytes !== bytes) throw corrupt('a log ends before its head');
    this.#found.workers += 1;
    this.#found.events += seq - this.#baseSeq;
    this.#found.blobs += this.#blobs;
    this.#log = null;
  }
}

/**
 * Reads a whole archive, and checks its digest, its items and their order. `bodyBytes` is the largest body of an item.
 * @throws ARCHIVE_CORRUPT · VERSION_UNSUPPORTED · PAYLOAD_TOO_LARGE
 */
export const checkArchive = async (bytes: ArchiveBytes, bodyBytes?: number): Promise<Archive> => {
  const items = decodeArchive(bytes(), bodyBytes);
  const survey = new Survey();
  for (;;) {
    const next = await items.next();
    if (next.done) return { digest: next.value, ...survey.result() };
    survey.add(next.value);
  }
};

/**
 * Reads the content of a checked archive again, without removed logs. It counts once the iteration has ended, because the bytes may have
 * changed in the meantime. @throws ARCHIVE_CORRUPT
 */
export async function* contentOf(
  bytes: ArchiveBytes,
  { digest, removed }: Archive,
): AsyncGenerator<ArchiveItem> {
  const items = decodeArchive(bytes());
  let isRemoved = false;
  for (;;) {
    const next = await items.next();
    if (next.done) {
      if (next.value !== digest) throw corrupt('it was replaced while it was read');
      return;
    }
    const { value: item } = next;
    if (item.kind === 'log') isRemoved = removed.has(item.log);
    else if (!OF_LOG.has(item.kind)) isRemoved = false;
    if (!isRemoved) yield item;
  }
}
