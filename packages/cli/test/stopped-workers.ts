/** Workers to archive: stopped ones. */
import type { ExecutionContext } from 'ava';
import { request } from './program.ts';

/** Creates Workers with an input each, and stops them. */
export const stopped = async (
  t: ExecutionContext,
  url: string,
  workers: readonly string[],
  labels: Readonly<Record<string, string>>,
): Promise<void> => {
  for (const workerId of workers) {
    const input = { text: `hello ${workerId}` };
    await request(url, 'POST', '/workers', { engine: 'echo', workerId, labels, initialInput: input });
    t.is((await request(url, 'POST', `/workers/${workerId}/stop`, {})).status, 200);
  }
};

/** Returns the ids of all Workers of a server. */
export const idsAt = async (url: string): Promise<readonly string[]> => {
  const { body } = await request<{ items: readonly { workerId: string }[] }>(
    url,
    'GET',
    '/workers?limit=1000',
  );
  return body.items.map(({ workerId }) => workerId);
};
