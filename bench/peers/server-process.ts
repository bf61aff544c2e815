import { fork } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A process that runs a file of the bench. */
export interface ServerProcess<Ready> {
  /** The message that it has sent when it was ready. */
  readonly ready: Ready;
  stop(): Promise<void>;
}

/**
 * Starts a process and waits for its first message. It ends after the channel to it was closed, or after a time.
 *
 * @throws Error it ended without a message
 */
export const startProcess = async <Ready>(
  file: URL,
  args: readonly string[],
  timeoutMs?: number,
): Promise<ServerProcess<Ready>> => {
  const child = fork(fileURLToPath(file), args, {
    execArgv: ['--import', import.meta.resolve('tsx')],
    timeout: timeoutMs,
  });
  const exited = once(child, 'exit');
  const failed = exited.then(([code, signal]) => {
    throw new Error(`${basename(file.pathname)} ended with ${String(code ?? signal)} before it was ready`);
  });
  failed.catch(() => {});
  const [ready] = (await Promise.race([once(child, 'message'), failed])) as [Ready];
  return {
    ready,
    async stop() {
      child.disconnect();
      await exited;
    },
  };
};
