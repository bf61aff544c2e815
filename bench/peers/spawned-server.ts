import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** A server of another system, which ends with this process. */
export interface SpawnedServer {
  /** Returns the result of an action that needs the server. @throws Error the server has ended */
  during<T>(action: Promise<T>): Promise<T>;
  stop(): Promise<void>;
}

export const startServer = (
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): SpawnedServer => {
  const child = spawn(program, args, { stdio: 'ignore', env: { ...process.env, ...environment } });
  const kill = (): boolean => child.kill('SIGKILL');
  process.once('exit', kill);
  const exited = once(child, 'exit');
  const failed = exited.then(([code]) => {
    throw new Error(`${program} ended with ${String(code)}`);
  });
  failed.catch(() => {});
  return {
    during: (action) => Promise.race([action, failed]),
    async stop() {
      process.off('exit', kill);
      kill();
      await exited;
    },
  };
};
