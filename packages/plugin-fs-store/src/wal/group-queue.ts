import type { FrameAddress, LogChange } from './frame.ts';
import { Group, type Settle } from './group.ts';

/**
 * The most changes of a group. When a group is acknowledged, all of its callers continue in one turn of the event loop, and
 * while that turn lasts, nothing else happens: with thousands of busy Workers and no bound, all of them would work in step.
 */
const GROUP_FRAMES = 256;
/**
 * The most groups of work in progress before one that begins work, if both wait. A job begins with one change and has a few more,
 * so that new work still begins as fast as other work ends.
 */
const ONGOING_IN_A_ROW = 4;
/** The buffers of written groups that are kept for later ones, and their size. */
const KEPT_BUFFERS = 4;
const KEPT_BUFFER_BYTES = 4_194_304;

/** The kind of a change: an essential one ends work or frees space, another may begin work. */
export interface ChangeKind {
  readonly isEssential: boolean;
  readonly isBeginning: boolean;
}

/**
 * The changes that wait for their write, in groups. As long as they fit into one group, they are written together. Beyond that, work
 * in progress goes before new work: otherwise thousands of Workers that begin at the same time would all begin before the first
 * one ends.
 */
export class GroupQueue {
  /** The group that is written next, with changes of both kinds; null if there is none. */
  #first: Group | null = null;
  /** The groups behind it, oldest first. The last one of each kind is filling. */
  readonly #ongoing: Group[] = [];
  readonly #beginning: Group[] = [];
  /** The expected address of the group that is written next. */
  #next: FrameAddress;
  #bytes = 0;
  readonly #spares: Buffer[] = [];
  /** The number of groups of work in progress that were taken in a row while new work waited. */
  #inARow = 0;

  constructor(next: FrameAddress) {
    this.#next = next;
  }

  /** The number of groups. */
  get length(): number {
    return (this.#first ? 1 : 0) + this.#ongoing.length + this.#beginning.length;
  }

  /** The size of all groups. */
  get bytes(): number {
    return this.#bytes;
  }

  add(change: LogChange, settle: Settle, { isEssential, isBeginning }: ChangeKind): void {
    const group = this.#groupFor(isBeginning ? this.#beginning : this.#ongoing);
    const before = group.frames === 0 ? 0 : group.bytes;
    group.add(change, settle, isEssential);
    this.#bytes += group.bytes - before;
  }

  /** Takes the group to write next; null if no change waits. `at` is its address. */
  take(at: FrameAddress): Group | null {
    const group = this.#first ?? this.#queued().shift();
    if (!group) return null;
    this.#first = null;
    this.#bytes -= group.bytes;
    this.#next = { ...at, lsn: at.lsn + group.frames };
    return group;
  }

  /** Keeps the buffer of a group that was written. */
  recycle({ buffer }: Group): void {
    if (buffer.length <= KEPT_BUFFER_BYTES && this.#spares.length < KEPT_BUFFERS) this.#spares.push(buffer);
  }

  #groupFor(queue: Group[]): Group {
    const isOnlyOne = this.#ongoing.length === 0 && this.#beginning.length === 0;
    if (isOnlyOne && (this.#first === null || this.#first.frames < GROUP_FRAMES)) {
      this.#first ??= new Group(this.#next, this.#spares.pop());
      return this.#first;
    }
    const last = queue.at(-1);
    if (last && last.frames < GROUP_FRAMES) return last;
    // whether another group comes before it is not known, so its address is only likely
    const group = new Group(last?.next ?? this.#first?.next ?? this.#next, this.#spares.pop());
    queue.push(group);
    return group;
  }

  /** Returns the queue whose turn it is. */
  #queued(): Group[] {
    if (this.#beginning.length === 0) return this.#ongoing;
    if (this.#ongoing.length > 0 && this.#inARow < ONGOING_IN_A_ROW) {
      this.#inARow += 1;
      return this.#ongoing;
    }
    this.#inARow = 0;
    return this.#beginning;
  }
}
