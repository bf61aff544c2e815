import type { WorkerSummary } from '@worker-runtime/core';
import type { Exchange } from './openai-runtime.ts';

/** The most Workers that the list of models has. The API has no pages for it. */
const MODELS = 1_000;

const modelOf = (id: string, { createdAt }: Pick<WorkerSummary, 'createdAt'>) => ({
  id,
  object: 'model',
  created: Math.floor(Date.parse(createdAt) / 1_000),
  owned_by: 'worker-runtime',
});

/** Lists the Workers, each as a model: the first 1,000. */
export const listModels = async ({ runtime }: Exchange): Promise<Response> => {
  const data = [];
  let after: string | null = 'start';
  while (after !== null && data.length < MODELS) {
    const { items, next }: Awaited<ReturnType<typeof runtime.listWorkers>> = await runtime.listWorkers({
      after,
    });
    data.push(...items.map((worker) => modelOf(worker.workerId, worker)));
    after = next;
  }
  return Response.json({ object: 'list', data: data.slice(0, MODELS) });
};

/** @throws WORKER_NOT_FOUND */
export const retrieveModel = async ({ runtime, workerOf }: Exchange, model: string): Promise<Response> =>
  Response.json(modelOf(model, await runtime.getWorker(await workerOf(model))));
