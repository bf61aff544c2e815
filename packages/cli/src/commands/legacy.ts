import type { LegacyPod } from '@worker-runtime/plugin-legacy-pod';
import { type ClientCommand, type ClientFlags, runClientCommand } from '../client-command.ts';
import { defined } from '../defined.ts';
import { usageError } from '../failure.ts';
import type { Output } from '../output.ts';
import { printableLine } from '../printable.ts';
import { table } from '../table.ts';

const podsOf = async ({ client }: ClientCommand): Promise<{ readonly items: readonly LegacyPod[] }> => {
  try {
    return await client.extra('legacy-pod');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ROUTE_NOT_FOUND')
      throw usageError('this runtime cannot list pods, because it was started without --plugin legacy-pod');
    throw error;
  }
};

export const list = (flags: ClientFlags, output: Output): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const found = await podsOf(command);
    command.answer(found, (columns) =>
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
        { columns, isText: true },
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
  runClientCommand(flags, output, async (command) => {
    const { idempotencyKey, displayName } = flags;
    const request = defined({
      engine: 'legacy-pod',
      workerId: flags.worker,
      displayName,
      config: { adopt: flags.pod },
    });
    const { worker } = await command.client.createWorker(request, defined({ idempotencyKey }));
    command.answer(worker, () => `${worker.workerId} is ${worker.status}`);
  });
