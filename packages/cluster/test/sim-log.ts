import type { Claimed } from '../src/index.ts';
import type { SimWorld } from './sim-world.ts';

interface Entry {
  readonly writer: string;
  readonly isWall: boolean;
}

/** The log of a Runtime's store: an entry lands at a position if the one before belongs to the same writer. */
export class SimLog {
  readonly entries: Entry[] = [];

  get position(): number {
    return this.entries.length;
  }

  /** Appends a wall under a new writer, if nothing was appended since `seen`. Returns the position; null if something was. */
  takeOver(writer: string, seen: number): number | null {
    if (this.position !== seen) return null;
    this.entries.push({ writer, isWall: true });
    return this.position;
  }

  /** Appends after a position. Returns the writer of the entry that is there now. */
  append(position: number, writer: string, isWall: boolean): string | null {
    if (position === this.position && this.entries.at(-1)?.writer === writer)
      this.entries.push({ writer, isWall });
    return this.entries[position]?.writer ?? null;
  }
}

/** The acknowledged appends of one service. */
export interface Acknowledged {
  readonly runtime: string;
  readonly position: number;
  readonly writer: string;
}

export const runtimeOf = (world: SimWorld, { name }: Claimed): SimLog => {
  const log = world.logs.get(name);
  if (!log) throw new TypeError(`There is no Runtime "${name}"`);
  return log;
};
