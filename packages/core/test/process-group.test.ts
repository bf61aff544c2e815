import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import test from 'ava';
import { ProcessGroup } from '../src/plugin-kit/process-group.ts';

const SOURCE = new URL('../src/plugin-kit/process-group.ts', import.meta.url).href;
const ENV = { PATH: process.env.PATH ?? '' };
/** Prints the id of a process that it started, and takes notice of nothing but SIGKILL. */
const DEAF = ['-c', 'trap "" TERM; sleep 600 & echo $!; wait; true'] as const;

/** True if a process runs. One that has ended may still be in the table, until its parent has noticed it. */
const isRunning = (pid: string): boolean =>
  /^[^Z]/.test(spawnSync('ps', ['-o', 'stat=', '-p', pid]).stdout.toString().trim());

/** The time between two looks at a process. */
const POLL_MS = 20;

/** Waits for the end of a process, which has got its signal. */
const hasEnded = async (pid: string): Promise<boolean> => {
  const until = performance.now() + 30_000;
  while (isRunning(pid) && performance.now() < until)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  if (!isRunning(pid)) return true;
  process.kill(Number(pid), 'SIGKILL');
  return false;
};

test('P100: a program that ignores the end of its input and SIGTERM is ended with what it started', async (t) => {
  const group = await ProcessGroup.start({ command: 'sh', args: DEAF, env: ENV });
  const [pid] = (await once(group.output, 'data')) as [Buffer];
  t.true(isRunning(String(pid).trim()));
  await group.close(50);
  t.true(await hasEnded(String(pid).trim()));
});

for (const end of ['process.exit(0)', 'throw new Error("uncaught")', 'process.kill(process.pid, "SIGTERM")'])
  test(`P100: no process of a program outlives the one that started it: ${end}`, async (t) => {
    // as a server does, whose stop waits no longer for its plugins
    const script = `
      import { ProcessGroup } from ${JSON.stringify(SOURCE)};
      process.on('SIGTERM', () => process.exit(143));
      const group = await ProcessGroup.start({ command: 'sh', args: ${JSON.stringify(DEAF)}, env: process.env });
      group.output.once('data', (pid) => process.stdout.write(pid, () => { void group.close(60_000); ${end}; }));`;
    const running = promisify(execFile)(
      process.execPath,
      ['--import=tsx', '--conditions=@worker-runtime/source', '--input-type=module', '-e', script],
      { cwd: import.meta.dirname, env: ENV },
    );
    const { stdout } = await running.catch((error: { readonly stdout: string }) => error);
    t.regex(stdout.trim(), /^\d+$/);
    t.true(await hasEnded(stdout.trim()));
  });
