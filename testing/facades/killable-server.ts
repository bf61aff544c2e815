import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';

/** Starts a server in a process of its own, with the façade that a module exports as `plugin`. The tests of all façades use it. */
export const startKillable = async (
  t: ExecutionContext,
  facade: URL,
  folder: string,
  port: string,
): Promise<{ readonly child: ChildProcess; readonly url: string }> => {
  const program = fileURLToPath(new URL('server.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    ['--import=tsx', '--conditions=@worker-runtime/source', program, facade.href, folder, port],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  t.teardown(() => child.kill('SIGKILL'));
  const [line] = await once(child.stdout as NodeJS.ReadableStream, 'data');
  return { child, url: String(line).trim() };
};
