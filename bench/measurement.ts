/** One benchmark: a figure and the floor that it is held against. */
export interface Bench {
  readonly id: string;
  readonly what: string;
  readonly unit: string;
  /** Whether more of the unit is better, as of amounts a second, or less, as of times and sizes. */
  readonly better: 'more' | 'less';
  /** Figure divided by floor: at least where more is better, at most where less is; null where none is set. */
  readonly goal: number | null;
  /** How often floor and figure are measured; 7 where this is left out. */
  readonly pairs?: number;
  floor(): Promise<number>;
  figure(): Promise<number>;
}

export interface Result {
  readonly id: string;
  readonly what: string;
  readonly unit: string;
  readonly floor: number;
  readonly figure: number;
  readonly ratio: number;
  readonly goal: number | null;
  readonly isMet: boolean | null;
}

const PAIRS = 7;

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
};

/** Floor and figure in turn, so that both meet the same machine; the ratio is the median of the pairs' ratios. */
export const measure = async (bench: Bench): Promise<Result> => {
  const { pairs = PAIRS } = bench;
  // once to warm up
  await bench.floor();
  await bench.figure();
  const floors: number[] = [];
  const figures: number[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    floors.push(await bench.floor());
    figures.push(await bench.figure());
  }
  const ratio = median(figures.map((figure, at) => figure / (floors[at] as number)));
  const { id, what, unit, goal } = bench;
  const isMet = goal === null ? null : bench.better === 'more' ? ratio >= goal : ratio <= goal;
  return { id, what, unit, floor: median(floors), figure: median(figures), ratio, goal, isMet };
};

/** Milliseconds that something takes. */
export const milliseconds = async (act: () => Promise<unknown>): Promise<number> => {
  const start = process.hrtime.bigint();
  await act();
  return Number(process.hrtime.bigint() - start) / 1e6;
};

/** Amount a second of something that is done once. */
export const perSecond = async (amount: number, act: () => Promise<void>): Promise<number> => {
  const start = process.hrtime.bigint();
  await act();
  return amount / (Number(process.hrtime.bigint() - start) / 1e9);
};
