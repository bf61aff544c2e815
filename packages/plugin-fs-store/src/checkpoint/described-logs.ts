import type { LogHead, Snapshot, StoredLog } from '@worker-runtime/core/plugin-kit';
import type { LogEntry } from '../files/log-entry.ts';
import { SUM_BYTES } from '../layout/sealed-line.ts';
import { LARGE_BYTES } from './catalog-snapshot.ts';
import { decodeLogLine, LOG_AT, LogLineReader, WORKER_AFTER } from './log-line.ts';

/** The last bytes of an id, which are random. */
const HASHED_BYTES = 8;
/** Fewer bytes than most lines have. It gives the room that is made for a catalog. */
const LINE_BYTES = 256;
/** Lines are moved together if less than this share of the catalog is used. */
const USED_SHARE = 0.75;
const NO_BYTES = new Uint8Array(0);

/** The parts of a line: the ends of the ids, the begin of the snapshot, and the end of the line. */
const PARTS = 4;
const [LOG_END, WORKER_END, VALUE, END] = [0, 1, 2, 3] as const;

const mixed = (hash: number): number => Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;

/** Returns the same as `hashOfText`, for an id in bytes. */
const hashOf = (bytes: Buffer, from: number, to: number): number => {
  let hash = to - from;
  for (let at = Math.max(from, to - HASHED_BYTES); at < to; at++)
    hash = (Math.imul(hash, 31) + (bytes[at] as number)) | 0;
  return mixed(hash);
};

const hashOfText = (id: string): number => {
  let hash = id.length;
  for (let at = Math.max(0, id.length - HASHED_BYTES); at < id.length; at++)
    hash = (Math.imul(hash, 31) + id.charCodeAt(at)) | 0;
  return mixed(hash);
};

/** One log as the runtime keeps it for a Worker at rest. Each access decodes a part of its line. */
class DescribedLog implements StoredLog, Snapshot {
  readonly #logs: DescribedLogs;
  readonly #index: number;

  constructor(logs: DescribedLogs, index: number) {
    this.#logs = logs;
    this.#index = index;
  }

  get log(): string {
    return this.#logs.logOf(this.#index);
  }

  get workerId(): string {
    return this.#logs.workerOf(this.#index);
  }

  get head(): LogHead {
    return this.#logs.headOf(this.#index);
  }

  get snapshot(): Snapshot {
    return this;
  }

  get text(): string {
    return this.#logs.textOf(this.#index);
  }

  get tail(): Uint8Array {
    return NO_BYTES;
  }

  get isDamaged(): boolean {
    return false;
  }
}

/**
 * The logs of a catalog that were not used since the open. Each is its line in the bytes of the catalog, whose checksum was compared, and
 * its place there in columns of numbers, because most of the very many logs that a store may have are not used for long. A hash table
 * over the bytes of their ids finds them.
 */
export class DescribedLogs {
  #bytes: Buffer;
  /** The place of each line, and those of its parts from there on. */
  #lines: Uint32Array;
  #parts: Uint16Array;
  /** The length of each log in lines and in bytes. */
  #lengths: Float64Array;
  /** 1 for a line that describes its log: it was added, and neither replaced nor taken. */
  #isHere: Uint8Array;
  #count = 0;
  #size = 0;
  /** For each hash, the index of its line plus 1; 0 for none. */
  #slots = new Uint32Array(2);
  /** The hash of each log, until all lines were read. */
  #hashes: Uint32Array;
  #eventBytes = 0;
  /** The bytes of the sealed lines of these logs. */
  #usedBytes = 0;
  readonly #reader = new LogLineReader();

  /** `bytes` are those of the catalog, which need not be there yet. */
  constructor(bytes: Buffer) {
    const room = Math.ceil(bytes.length / LINE_BYTES);
    this.#bytes = bytes;
    this.#lines = new Uint32Array(room);
    this.#parts = new Uint16Array(PARTS * room);
    this.#lengths = new Float64Array(2 * room);
    this.#isHere = new Uint8Array(room);
    this.#hashes = new Uint32Array(room);
  }

  get size(): number {
    return this.#size;
  }

  /** The bytes of the events of these logs. */
  get eventBytes(): number {
    return this.#eventBytes;
  }

  /**
   * Reads a line in a range of the catalog. Returns its index for `add`; -1 for a line of another form, one without a snapshot, and one
   * that is so large that its snapshot should have memory of its own.
   */
  read(from: number, to: number): number {
    const reader = this.#reader;
    if (to - from > LARGE_BYTES || !reader.read(this.#bytes, from, to)) return -1;
    if (reader.valueAt === to || reader.seq === 0) return -1;
    if (this.#count === this.#lines.length) this.#setRoom(2 * this.#count + 1);
    const index = this.#count;
    this.#count += 1;
    this.#lines[index] = from;
    this.#hashes[index] = hashOf(this.#bytes, from + LOG_AT, reader.logEnd);
    this.#lengths[2 * index] = reader.seq;
    this.#lengths[2 * index + 1] = reader.bytes;
    this.#parts[PARTS * index + LOG_END] = reader.logEnd - from;
    this.#parts[PARTS * index + WORKER_END] = reader.workerEnd - from;
    this.#parts[PARTS * index + VALUE] = reader.valueAt - from;
    this.#parts[PARTS * index + END] = to - from;
    return index;
  }

  /** Adds the log of a line. The line takes the place of an earlier one of the same log, so that most logs stay in the order of their ids. */
  add(line: number): void {
    let index = line;
    if (2 * this.#count > this.#slots.length) this.#makeSlots();
    const mask = this.#slots.length - 1;
    const hash = this.#hashes[index] as number;
    let slot = hash & mask;
    for (; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const other = (this.#slots[slot] as number) - 1;
      if (this.#hashes[other] !== hash || this.logOf(other) !== this.logOf(index)) continue;
      if (this.#isHere[other]) this.#remove(other);
      this.#move(index, other);
      index = other;
      break;
    }
    this.#slots[slot] = index + 1;
    this.#isHere[index] = 1;
    this.#sum(index, 1);
  }

  /** Releases what is needed for further lines only, and the bytes of other lines if they are many. */
  end(): void {
    this.#setRoom(this.#count);
    this.#hashes = new Uint32Array(0);
    if (this.#usedBytes > USED_SHARE * this.#bytes.length) return;
    const bytes = Buffer.allocUnsafeSlow(this.#usedBytes);
    let at = 0;
    for (const index of this.#indexes()) {
      const sealed = this.#sealed(index);
      this.#lines[index] = at + SUM_BYTES;
      at += sealed.copy(bytes, at);
    }
    this.#bytes = bytes;
  }

  has(log: string): boolean {
    return this.#find(log) >= 0;
  }

  /** Returns the id of the Worker of a log. */
  workerIdOf(log: string): string | undefined {
    const index = this.#find(log);
    return index < 0 ? undefined : this.workerOf(index);
  }

  /** Removes a log from here. Returns it; undefined if it is not here. What was listed of it stays. */
  take(log: string): LogEntry | undefined {
    const index = this.#find(log);
    return index < 0 ? undefined : this.#take(index);
  }

  /** Removes all logs from here, one by one. */
  *takeAll(): Generator<LogEntry> {
    for (const index of this.#indexes()) if (this.#isHere[index]) yield this.#take(index);
  }

  /** Lists the logs for the runtime. */
  *list(): Generator<StoredLog> {
    for (let index = 0; index < this.#count; index++)
      if (this.#isHere[index]) yield new DescribedLog(this, index);
  }

  /** Returns the sealed lines of the logs. */
  *sealedLines(): Generator<Buffer> {
    for (let index = 0; index < this.#count; index++) if (this.#isHere[index]) yield this.#sealed(index);
  }

  logOf(index: number): string {
    return this.#text(index, LOG_AT, this.#part(index, LOG_END), 'latin1');
  }

  workerOf(index: number): string {
    const from = this.#part(index, LOG_END) + WORKER_AFTER;
    return this.#text(index, from, this.#part(index, WORKER_END), 'latin1');
  }

  headOf(index: number): LogHead {
    return { seq: this.#lengths[2 * index] as number, bytes: this.#lengths[2 * index + 1] as number };
  }

  /** Returns the text of a snapshot. */
  textOf(index: number): string {
    return this.#text(index, this.#part(index, VALUE), this.#part(index, END) - 1, 'utf8');
  }

  #text(index: number, from: number, to: number, encoding: 'latin1' | 'utf8'): string {
    const line = this.#lines[index] as number;
    return this.#bytes.toString(encoding, line + from, line + to);
  }

  #part(index: number, part: number): number {
    return this.#parts[PARTS * index + part] as number;
  }

  #sealed(index: number): Buffer {
    const line = this.#lines[index] as number;
    return this.#bytes.subarray(line - SUM_BYTES, line + this.#part(index, END) + 1);
  }

  /** Returns the indexes of the lines that describe their logs. */
  #indexes(): number[] {
    const indexes: number[] = [];
    for (let index = 0; index < this.#count; index++) if (this.#isHere[index]) indexes.push(index);
    return indexes;
  }

  #find(log: string): number {
    const mask = this.#slots.length - 1;
    for (let slot = hashOfText(log) & mask; ; slot = (slot + 1) & mask) {
      const index = (this.#slots[slot] as number) - 1;
      if (index < 0) return -1;
      if (this.#isHere[index] && this.logOf(index) === log) return index;
    }
  }

  #take(index: number): LogEntry {
    const line = this.#lines[index] as number;
    const entry = decodeLogLine(this.#bytes, line, line + this.#part(index, END));
    if (!entry) throw new TypeError('The bytes of the catalog have changed');
    this.#remove(index);
    return entry;
  }

  #remove(index: number): void {
    this.#isHere[index] = 0;
    this.#sum(index, -1);
  }

  /** Moves a line to the index of another one. */
  #move(from: number, to: number): void {
    this.#lines[to] = this.#lines[from] as number;
    this.#lengths.copyWithin(2 * to, 2 * from, 2 * from + 2);
    this.#parts.copyWithin(PARTS * to, PARTS * from, PARTS * (from + 1));
  }

  #sum(index: number, sign: 1 | -1): void {
    this.#size += sign;
    this.#eventBytes += sign * (this.#lengths[2 * index + 1] as number);
    this.#usedBytes += sign * (SUM_BYTES + this.#part(index, END) + 1);
  }

  #setRoom(room: number): void {
    const resized = <T extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(to: T, from: T): T => {
      to.set(from.subarray(0, to.length));
      return to;
    };
    this.#lines = resized(new Uint32Array(room), this.#lines);
    this.#parts = resized(new Uint16Array(PARTS * room), this.#parts);
    this.#lengths = resized(new Float64Array(2 * room), this.#lengths);
    this.#isHere = resized(new Uint8Array(room), this.#isHere);
    this.#hashes = resized(new Uint32Array(room), this.#hashes);
  }

  /** Makes at least twice as many slots as there are lines. */
  #makeSlots(): void {
    let length = this.#slots.length;
    while (length < 2 * this.#count) length *= 2;
    this.#slots = new Uint32Array(length);
    for (const index of this.#indexes()) {
      let slot = (this.#hashes[index] as number) & (length - 1);
      while (this.#slots[slot] !== 0) slot = (slot + 1) & (length - 1);
      this.#slots[slot] = index + 1;
    }
  }
}
