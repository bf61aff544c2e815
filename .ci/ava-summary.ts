/** Reads the numbers out of what ava printed for one package. */

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface Tally extends Counts {
  readonly name: string;
  /** Why it counts as failed although ava named no failed test. */
  readonly reason?: string;
}

const line = (what: string): RegExp => new RegExp(`^\\W*(\\d+) (?:${what})\\s*$`, 'm');
const count = (output: string, what: string): number => Number(line(what).exec(output)?.[1] ?? 0);

/**
 * ava prints no count of passed tests once one has failed, so the ticks are counted then.
 * Its closing line alone proves nothing (a time-out prints `1 test passed` as well), hence the exit code.
 */
export function tally(name: string, output: string, exitCode: number): Tally {
  const ended = line('tests? (?:passed|failed|skipped|todo)|known failures?|uncaught exceptions?');
  if (!ended.test(output)) return { name, passed: 0, failed: 1, skipped: 0, reason: 'gave no test summary' };
  const passed = count(output, 'tests? passed') || (output.match(/^\W*[✔√] /gm) ?? []).length;
  const failed = count(output, 'tests? failed');
  const skipped = count(output, 'tests? skipped') + count(output, 'tests? todo');
  if (exitCode !== 0 && failed === 0)
    return { name, passed, failed: 1, skipped, reason: `ended with exit code ${exitCode}` };
  return { name, passed, failed, skipped };
}

export function sum(tallies: readonly Counts[]): Counts {
  const total = (of: keyof Counts): number => tallies.reduce((so, one) => so + one[of], 0);
  return { passed: total('passed'), failed: total('failed'), skipped: total('skipped') };
}
