import test from 'ava';
import { sum, tally } from './ava-summary.ts';

const counts = (output: string, exitCode: number) => {
  const { passed, failed, skipped } = tally('p', output, exitCode);
  return [passed, failed, skipped];
};

test('the counts of a passed run are read from its summary', (t) => {
  t.deepEqual(counts('\n  ✔ a\n  ✔ b\n  ─\n\n  2 tests passed\n', 0), [2, 0, 0]);
  t.deepEqual(counts('\n  ✔ a\n  - [skip] b\n  ─\n\n  1 test passed\n  1 test skipped\n', 0), [1, 0, 1]);
});

test('the ticks of a failed run are counted, because ava omits the number of passed tests', (t) => {
  t.deepEqual(
    counts('  ✔ x › a\n  ✘ [fail]: x › b\n  ✔ x › c (1.2s)\n  ─\n\n  1 test failed\n', 1),
    [2, 1, 0],
  );
});

test('the report has the names and the errors of the failed tests only', (t) => {
  const output = '\n  ✔ a\n  ✘ [fail]: b\n  ─\n\n  b\n\n  Error: 1 ≠ 2\n\n  ─\n\n  1 test failed\n';
  t.is(tally('p', output, 1).report, 'b\n\n  Error: 1 ≠ 2');
  const long = tally('p', `  ─\n${'  at x\n'.repeat(500)}  ─\n\n  1 test failed\n`, 1);
  t.is(long.report?.split('\n').length, 60);
});

test('a passed summary with an exit code other than 0 is a failure', (t) => {
  t.deepEqual(counts('  ✔ a\n  ─\n\n  1 test passed\n', 1), [1, 1, 0]);
  t.deepEqual(counts('  ✔ a\n  ─\n\n  1 uncaught exception\n', 1), [1, 1, 0]);
});

test('a missing summary is a failure, with any exit code', (t) => {
  t.deepEqual(counts('', 0), [0, 1, 0]);
  t.is(tally('p', 'npm error', 1).reason, 'printed no test summary');
});

test('packages are added up', (t) => {
  t.deepEqual(sum([{ passed: 1, failed: 0, skipped: 2 }, tally('p', '  2 tests passed', 0)]), {
    passed: 3,
    failed: 0,
    skipped: 2,
  });
});
