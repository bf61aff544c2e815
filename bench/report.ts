import type { Result } from './measurement.ts';

/** All benches of one run, on one machine: what `results/latest.json` holds. */
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

const whole = (value: number): string =>
  value < 100 ? value.toPrecision(3) : Math.round(value).toLocaleString('en');

const verdictOf = ({ goal, isMet }: Result): string =>
  goal === null ? 'none' : `${goal} ${isMet ? 'met' : '**missed**'}`;

export const HEAD = '| | what | floor | figure | ratio | goal |\n| --- | --- | --- | --- | --- | --- |';

export const rowOf = (result: Result): string => {
  const { id, what, unit, floor, figure, ratio } = result;
  return `| ${id} | ${what} | ${whole(floor)} ${unit} | ${whole(figure)} ${unit} | ${ratio.toFixed(2)} | ${verdictOf(result)} |`;
};

const BEGIN = '<!-- figures: written by npm run bench -->';
const END = '<!-- end of figures -->';

/** The page with the figures of the report between its marks. @throws TypeError a page without them */
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
