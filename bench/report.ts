import type { Result } from './measurement.ts';

/** The results of all benchmarks of one run, on one machine: the content of `results/latest.json`. */
export interface Report {
  readonly date: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryBytes: number;
    readonly node: string;
    readonly platform: string;
  };
  readonly results: readonly Result[];
}

const formatted = (value: number): string =>
  value < 100 ? value.toPrecision(3) : Math.round(value).toLocaleString('en');

const verdictOf = ({ goal, isMet }: Result): string =>
  goal === null ? 'none' : `${goal} ${isMet ? 'met' : '**missed**'}`;

export const HEAD = '| | what | floor | figure | ratio | goal |\n| --- | --- | --- | --- | --- | --- |';

export const rowOf = (result: Result): string => {
  const { id, what, unit, floor, figure, ratio } = result;
  return `| ${id} | ${what} | ${formatted(floor)} ${unit} | ${formatted(figure)} ${unit} | ${ratio.toFixed(2)} | ${verdictOf(result)} |`;
};

const BEGIN = '<!-- figures: written by npm run bench -->';
const END = '<!-- end of figures -->';

/** Replaces the figures between the marks of a page. @throws TypeError the page has no marks */
export const withFigures = (page: string, { date, machine, results }: Report): string => {
  const [before, rest] = page.split(BEGIN);
  const [, after] = rest?.split(END) ?? [];
  if (before === undefined || after === undefined) throw new TypeError('The page has no marks for figures');
  const { cpu, cores, memoryBytes, node, platform } = machine;
  const where = `${date.slice(0, 10)}, ${cores} cores of ${cpu}, ${Math.round(memoryBytes / 2 ** 30)} GiB, Node ${node}, ${platform}`;
  return [
    before,
    BEGIN,
    `\nMeasured on ${where}:\n\n`,
    `${HEAD}\n${results.map(rowOf).join('\n')}\n`,
    END,
    after,
  ].join('');
};
