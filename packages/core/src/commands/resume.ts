import { admitted } from '../admission.ts';
import { RuntimeError } from '../contracts/runtime-error.ts';
import { attachExecution, type Remark } from '../domain/decide.ts';
import type { Journal } from '../journal/journal.ts';
import { factsOf } from '../workers/views.ts';
import type { Worker } from '../workers/worker.ts';
import type { CreationOptions } from './creation.ts';

/** Throws the error of an attempt to attach. A stop that came in the meantime makes the engine unavailable. */
const asUnavailable = (error: unknown): never => {
  if (!(error instanceof RuntimeError) || error.code !== 'WORKER_STOPPED') throw error;
  const message = 'The Worker was stopped while it was resumed; try again';
  throw new RuntimeError('ENGINE_UNAVAILABLE', message, { cause: error });
};

/**
 * Resumes a stopped Worker on a new execution; attaches an engine to any other Worker without one. The claims are taken
 * before the engine attaches, and released if that fails.
 * @throws CLAIM_CONFLICT · ENGINE_UNAVAILABLE · as the taps of `admit`
 */
export const resume = async (
  {
    hooks,
    workers,
    supervisor,
    journal,
  }: Pick<CreationOptions, 'hooks' | 'workers' | 'supervisor'> & { readonly journal: Journal },
  worker: Worker,
  remark: Remark,
): Promise<void> => {
  const { workerId } = worker;
  const { claims } = await supervisor.recordOf(worker);
  return admitted(
    hooks.admit,
    { type: 'worker.resume', workerId, worker: factsOf(worker), claims },
    async () => {
      await supervisor.stopped(worker);
      if (worker.state.status !== 'stopped') {
        await supervisor.attach(worker).catch(asUnavailable);
        return;
      }
      const isKnown = (): boolean => workers.knows(worker);
      const release = (): void => {
        if (worker.state.status === 'stopped' && isKnown()) workers.claims.release(workerId);
      };
      if (isKnown()) workers.claims.take(workerId, claims);
      try {
        await supervisor.attach(worker, (state, generation) => {
          const resumed = { type: 'worker.resumed', data: remark } as const;
          return [...(state.status === 'stopped' ? [resumed] : []), ...attachExecution(state, generation)];
        });
      } catch (error) {
        // if the commit is in doubt, the Worker may turn out to be resumed
        if (journal.isInDoubt(worker)) void journal.persist(worker, () => []).then(release);
        else release();
        asUnavailable(error);
      }
    },
  );
};
