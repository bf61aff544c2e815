import type { Logger } from '@worker-runtime/core';
import type { PodFiles } from '../records/pod-files.ts';
import { PodConnection } from '../wire/pod-connection.ts';
import { PodProcess } from './pod-process.ts';

export interface EndingLimits {
  /** How long a pod may finish its background jobs after `shutdown`. */
  readonly shutdownMs: number;
  /** How long it may take after SIGINT. */
  readonly interruptMs: number;
}

const KILLED_MS = 2_000;
const CONNECT_MS = 2_000;

export type Ending = 'shutdown' | 'interrupted' | 'killed' | 'unknown';

/**
 * Ends a pod in the order that leaves the least behind: `shutdown`, which it cleans up after; SIGINT, after which it
 * still releases its row; SIGKILL to its group. Never SIGTERM, which it dies of without cleaning up.
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
  const closed = path === null ? Promise.resolve() : askToShutDown(path, name);
  if (!found) {
    // nobody to signal: what is known of it is its socket
    const isClosed = await new Promise<boolean>((resolve) => {
      const late = setTimeout(() => resolve(false), limits.shutdownMs);
      void closed.then(() => {
        clearTimeout(late);
        resolve(true);
      });
    });
    return isClosed ? 'shutdown' : 'unknown';
  }
  if (await found.ended(limits.shutdownMs)) return 'shutdown';
  log.warn({}, 'A pod did not end after shutdown: interrupting it');
  await found.interrupt();
  if (await found.ended(limits.interruptMs)) return 'interrupted';
  log.warn({}, 'A pod ignored its interrupt: killing it');
  await found.kill();
  return (await found.ended(KILLED_MS)) ? 'killed' : 'unknown';
};

/** Resolves when the pod closes the connection, or cannot be reached. */
const askToShutDown = (path: string, name: string): Promise<void> =>
  new Promise((resolve) => {
    PodConnection.open(path, name, CONNECT_MS, { onEvent: () => {}, onClose: resolve }).then(
      ({ connection }) => connection.send({ method: 'shutdown' }),
      () => resolve(),
    );
  });
