import type { Logger } from '@worker-runtime/core';
import type { PodFiles } from '../records/pod-files.ts';
import { PodConnection } from '../wire/pod-connection.ts';
import { PodProcess } from './pod-process.ts';

export interface EndingLimits {
  /** The time that a pod may take after `shutdown` to finish its background jobs, in milliseconds. */
  readonly shutdownMs: number;
  /** The time that a pod may take to exit after SIGINT, in milliseconds. */
  readonly interruptMs: number;
}

const KILLED_MS = 2_000;
const CONNECT_MS = 2_000;

export type Ending = 'shutdown' | 'interrupted' | 'killed' | 'unknown';

/**
 * Ends a pod by the gentlest means that works. After `shutdown` the pod cleans up everything. After SIGINT it still
 * removes its row from the registry. SIGKILL goes to its process group. SIGTERM is never sent, because the pod exits
 * on it without any cleanup.
 */
export const endPod = async (
  files: PodFiles,
  name: string,
  limits: EndingLimits,
  log: Logger,
  known: PodProcess | null,
): Promise<Ending> => {
  const found = known ?? (await PodProcess.find(files, name));
  const path = await files.socket(name).catch(() => null);
  if (!found && path === null) return 'shutdown';
  const closed = path === null ? Promise.resolve() : sendShutdown(path, name);
  if (!found) {
    // The process is unknown, so only the end of the connection shows that the pod has ended.
    const isClosed = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), limits.shutdownMs);
      void closed.then(() => {
        clearTimeout(timer);
        resolve(true);
      });
    });
    return isClosed ? 'shutdown' : 'unknown';
  }
  if (await found.waitForEnd(limits.shutdownMs)) return 'shutdown';
  log.warn({}, 'A pod did not exit after shutdown; sending SIGINT');
  await found.interrupt();
  if (await found.waitForEnd(limits.interruptMs)) return 'interrupted';
  log.warn({}, 'A pod did not exit after SIGINT; sending SIGKILL');
  await found.kill();
  return (await found.waitForEnd(KILLED_MS)) ? 'killed' : 'unknown';
};

/** Resolves when the pod has closed the connection, or if it cannot be reached. */
const sendShutdown = (path: string, name: string): Promise<void> =>
  new Promise((resolve) => {
    PodConnection.open(path, name, CONNECT_MS, { onEvent: () => {}, onClose: resolve }).then(
      ({ connection }) => connection.send({ method: 'shutdown' }),
      () => resolve(),
    );
  });
