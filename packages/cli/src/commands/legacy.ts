import type { LegacyPod } from '@worker-runtime/plugin-legacy-pod';
import { type ClientFlags, inSession, type Session } from '../client-command.ts';
import { said } from '../defined.ts';
import { misuse } from '../failure.ts';
import type { Output } from '../output.ts';
import { printableLine } from '../printable.ts';
import { table } from '../table.ts';

const podsOf = async ({ client }: Session): Promise<{ readonly items: readonly LegacyPod[] }> => {
  try {
    return await client.extra('legacy-pod');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ROUTE_NOT_FOUND')
      throw misuse('this runtime has no pods: it is served without --plugin legacy-pod');
    throw error;
  }
};

export const list = (flags: ClientFlags, output: Output): Promise<void> =>
  inSession(flags, output, async (session) => {
    const found = await podsOf(session);
    session.answer(found, () =>
      table(
        ['REFERENCE', 'STATE', 'ROLE', 'WORKER', 'LAST ACTIVE', 'ABOUT'],
        found.items.map((pod) => [
          pod.ref,
          pod.status === null ? pod.state : `${pod.state}, ${pod.status}`,
          pod.role ?? '-',
          pod.workerId ?? '-',
          pod.lastActiveAt ?? '-',
          printableLine(pod.diagnostic?.message ?? pod.preview ?? '-'),
        ]),
      ),
    );
  });

export const adopt = (
  flags: ClientFlags & {
    readonly pod: string;
    readonly worker: string | undefined;
    readonly displayName: string | undefined;
    readonly idempotencyKey: string | undefined;
  },
  output: Output,
): Promise<void> =>
  inSession(flags, output, async (session) => {
    const { idempotencyKey, displayName } = flags;
    const request = said({
      engine: 'legacy-pod',
      workerId: flags.worker,
      displayName,
      config: { adopt: flags.pod },
    });
    const { worker } = await session.client.createWorker(request, said({ idempotencyKey }));
    session.answer(worker, () => `${worker.workerId} is ${worker.status}`);
  });
