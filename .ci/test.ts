/**
 * Runs a script of all packages, `test` or `test:long`, and before `test` the tests of `.ci`. The last line of the output is the sum:
 * `N passed, M failed`. Further arguments are those of turbo.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { sum, type Tally, tally } from './ava-summary.ts';
import { root } from './repository.ts';

const bin = (name: string): string => join(root, 'node_modules', '.bin', name);

/** Runs the tests of `.ci`. They read files of every package, so their results are not cached. */
function testWorkspace(): Tally {
  const ava = spawnSync(bin('ava'), [], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  process.stdout.write(ava.stdout);
  return tally('workspace', ava.stdout, ava.status ?? 1);
}

/** The fields of turbo's run summary that are used here. */
interface RunSummary {
  readonly tasks: readonly {
    readonly package: string;
    readonly task: string;
    readonly command: string;
    readonly logFile: string;
    readonly execution?: { readonly exitCode?: number };
  }[];
}

function testPackages(script: string, args: readonly string[]): Tally[] {
  const runs = join(root, '.turbo', 'runs');
  rmSync(runs, { recursive: true, force: true });
  const turbo = spawnSync(
    bin('turbo'),
    ['run', script, '--filter=!//', '--continue=always', '--summarize', ...args],
    {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' },
    },
  );
  const file = existsSync(runs) ? readdirSync(runs).find((name) => name.endsWith('.json')) : undefined;
  if (file === undefined) return [tally('turbo', '', turbo.status ?? 1)];
  const { tasks } = JSON.parse(readFileSync(join(runs, file), 'utf8')) as RunSummary;
  const results = tasks
    .filter(({ task, command }) => task === script && command !== '<NONEXISTENT>')
    .map((task) => {
      const log = join(root, task.logFile);
      const output = existsSync(log) ? readFileSync(log, 'utf8') : '';
      return tally(task.package, output, task.execution?.exitCode ?? 1);
    });
  const failed = results.some((result) => result.failed > 0);
  if (turbo.status !== 0 && !failed) results.push(tally('turbo', '', turbo.status ?? 1));
  return results;
}

const [script = 'test', ...args] = process.argv.slice(2);
const results = [...(script === 'test' ? [testWorkspace()] : []), ...testPackages(script, args)];
for (const { name, failed, reason, report } of results)
  if (failed > 0) console.error(`${name}: ${reason ?? `${failed} failed\n${report}`}`);

const { passed, failed, skipped } = sum(results);
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed === 0 ? 0 : 1;
