/** Reads the counts of tests from the output of ava for one package. */

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface Tally extends Counts {
  readonly name: string;
  /** The reason for a failure that ava did not report. */
  readonly reason?: string;
  /** The names and the errors of the failed tests, as ava printed them: at most `REPORT_LINES` lines. */
  readonly report?: string;
}

const REPORT_LINES = 60;

const line = (words: string): RegExp => new RegExp(`^\\W*(\\d+) (?:${words})\\s*$`, 'm');
const count = (output: string, words: string): number => Number(line(words).exec(output)?.[1] ?? 0);

/** Returns what ava prints between its rules: the name and the error of each failed test. */
function reportOf(output: string): string {
  const [, ...sections] = output.split(/^ *─$/m);
  return sections.slice(0, -1).join('').trim().split('\n').slice(0, REPORT_LINES).join('\n');
}

/**
 * Counts the tests of one package. If a test failed, ava prints no count of passed tests, so the ticks are counted.
 * The closing line is not enough: a time-out also prints `1 test passed`. So the exit code counts too.
 */
export function tally(name: string, output: string, exitCode: number): Tally {
  const ended = line('tests? (?:passed|failed|skipped|todo)|known failures?|uncaught exceptions?');
  if (!ended.test(output))
    return { name, passed: 0, failed: 1, skipped: 0, reason: 'printed no test summary' };
  const passed = count(output, 'tests? passed') || (output.match(/^\W*[✔√] /gm) ?? []).length;
  const failed = count(output, 'tests? failed');
  const skipped = count(output, 'tests? skipped') + count(output, 'tests? todo');
  if (exitCode !== 0 && failed === 0)
    return { name, passed, failed: 1, skipped, reason: `ended with exit code ${exitCode}` };
  return failed === 0
    ? { name, passed, failed, skipped }
    : { name, passed, failed, skipped, report: reportOf(output) };
}

export function sum(tallies: readonly Counts[]): Counts {
  const total = (of: keyof Counts): number => tallies.reduce((so, one) => so + one[of], 0);
  return { passed: total('passed'), failed: total('failed'), skipped: total('skipped') };
}
