import type { RunResult } from '@worker-runtime/core';
import { type ClientFlags, runClientCommand } from '../client-command.ts';
import { textOf } from '../display-text.ts';
import type { Output } from '../output.ts';
import { runNotCompleted, runNotEnded } from '../run-failure.ts';

const answerOf = (run: RunResult): string =>
  run.messages
    .filter(({ role }) => role === 'assistant')
    .map(textOf)
    .join('\n');

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
    const { run, runId, queued } = receipt;
    command.answer(receipt, () =>
      run === null ? `${queued ? 'queued' : 'accepted'} as ${runId}` : answerOf(run),
    );
    if (wait === undefined) return;
    if (run === null) {
      const { status } = await command.client.getWorker(worker);
      const reason = status === 'waiting' ? 'is waiting for an answer' : `did not finish within ${wait} s`;
      throw runNotEnded(runId, reason, worker);
    }
    if (run.outcome !== 'completed') throw runNotCompleted(run.outcome, run.error);
  });
