/** One row of the table: a figure and the floor that it is compared with. */
export interface Row {
  readonly id: string;
  readonly what: string;
  readonly unit: string;
  /** `more` if a larger figure is better, as for rates. `less` if a smaller one is, as for times and sizes. */
  readonly better: 'more' | 'less';
  /**
   * The goal for figure divided by floor: a minimum if more is better, a maximum if less is better, null if there is no
   * goal.
   */
  readonly goal: number | null;
}

/** A row that is measured alone. */
export interface Bench extends Row {
  /** The number of times that floor and figure are measured. Default 7. */
  readonly pairs?: number;
  floor(): Promise<number>;
  figure(): Promise<number>;
}

/** The values of several rows, by their ids. */
export type Values = Readonly<Record<string, number>>;

/** Rows that are measured together. */
export interface BenchOfRows {
  readonly rows: readonly Row[];
  /** As for a row that is measured alone. */
  readonly pairs?: number;
  floor(): Promise<Values>;
  figure(): Promise<Values>;
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

/** Returns the rows of a benchmark. */
export const rowsOf = (bench: Bench | BenchOfRows): readonly Row[] =>
  'rows' in bench ? bench.rows : [bench];

/** Returns the value of a row. */
const valueIn = (measured: number | Values, { id }: Row): number => {
  const value = typeof measured === 'number' ? measured : measured[id];
  if (value === undefined) throw new TypeError(`The measurement has no value of ${id}`);
  return value;
};

/**
 * Measures floor and figure alternately, so that both run under the same load of the machine. The ratio of a row is the
 * median of the ratios of all pairs.
 */
export const measure = async (bench: Bench | BenchOfRows): Promise<readonly Result[]> => {
  const { pairs = PAIRS } = bench;
  // The first pair is only a warm-up.
  await bench.floor();
  await bench.figure();
  const floors: (number | Values)[] = [];
  const figures: (number | Values)[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    floors.push(await bench.floor());
    figures.push(await bench.figure());
  }
  return rowsOf(bench).map((row) => {
    const { id, what, unit, goal, better } = row;
    const before = floors.map((measured) => valueIn(measured, row));
    const after = figures.map((measured) => valueIn(measured, row));
    const ratio = median(after.map((figure, at) => figure / (before[at] as number)));
    const isMet = goal === null ? null : better === 'more' ? ratio >= goal : ratio <= goal;
    return { id, what, unit, floor: median(before), figure: median(after), ratio, goal, isMet };
  });
};

/** Returns the milliseconds that an action takes. */
export const milliseconds = async (act: () => Promise<unknown>): Promise<number> => {
  const start = process.hrtime.bigint();
  await act();
  return Number(process.hrtime.bigint() - start) / 1e6;
};

/** Runs an action that handles an amount. Returns the amount per second. */
export const perSecond = async (amount: number, act: () => Promise<void>): Promise<number> => {
  const start = process.hrtime.bigint();
  await act();
  return amount / (Number(process.hrtime.bigint() - start) / 1e9);
};
