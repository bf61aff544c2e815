import { type ClientFlags, runClientCommand } from '../client-command.ts';
import { answerOf } from '../display-text.ts';
import type { Output } from '../output.ts';
import { assertCompleted } from '../run-failure.ts';

/** Sends an input. With `wait` it succeeds only if the run completed in time. */
export const send = (
  flags: ClientFlags & {
    readonly worker: string;
    readonly text: string;
    /** The longest time to wait for the run, in seconds; undefined does not wait. */
    readonly wait: number | undefined;
    readonly queue: boolean;
    readonly idempotencyKey: string | undefined;
  },
  output: Output,
): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const { worker, text, wait, queue, idempotencyKey } = flags;
    const receipt = await command.client.sendInput(
      worker,
      { text, ...(queue && { whenBusy: 'queue' }) },
      {
        ...(wait !== undefined && { waitMs: wait * 1_000 }),
        ...(idempotencyKey !== undefined && { idempotencyKey }),
      },
    );
    const { run, runId, queued, waited } = receipt;
    command.answer(receipt, () =>
      run === null ? `${queued ? 'queued' : 'accepted'} as ${runId}` : answerOf(run),
    );
    if (wait !== undefined) assertCompleted(worker, runId, { waited: waited ?? 'timeout', run }, wait);
  });
