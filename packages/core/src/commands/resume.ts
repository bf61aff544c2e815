import { attached } from '../domain/decide.ts';
import type { Worker } from '../workers/worker.ts';
import { settling } from './admission.ts';
import type { CreationOptions } from './creation.ts';

/**
 * A Worker takes inputs again, on an execution of its own. What it claims is taken before its engine is asked, and given
 * back where that fails.
 */
export const resume = async (
  { hooks, workers, supervisor }: Pick<CreationOptions, 'hooks' | 'workers' | 'supervisor'>,
  worker: Worker,
  reason: string | undefined,
): Promise<void> => {
  const { workerId } = worker;
  const { claims } = await supervisor.recordOf(worker);
  return settling(hooks.admit, { type: 'worker.resume', workerId, claims }, async () => {
    await worker.live?.stopping?.catch(() => {});
    if (worker.state.status !== 'stopped') {
      await supervisor.attach(worker);
      return;
    }
    const isThere = (): boolean => workers.knows(worker);
    const release = (): void => {
      if (worker.state.status === 'stopped' && isThere()) workers.claims.release(workerId);
    };
    if (isThere()) workers.claims.take(workerId, claims);
    try {
      await supervisor.attach(worker, (state, generation) => {
        const resumed = {
          type: 'worker.resumed',
          data: { ...(reason !== undefined && { reason }) },
        } as const;
        return [...(state.status === 'stopped' ? [resumed] : []), ...attached(state, generation)];
      });
    } catch (error) {
      // in doubt, it may yet turn out that the Worker is resumed
      if (worker.live?.isInDoubt) void supervisor.persist(worker, () => []).then(release);
      else release();
      throw error;
    }
  });
};
