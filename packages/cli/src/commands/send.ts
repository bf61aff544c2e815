import type { RunResult } from '@worker-runtime/core';
import { type ClientFlags, inSession } from '../client-command.ts';
import { textOf } from '../display-text.ts';
import type { Output } from '../output.ts';
import { leftOn, notCompleted } from '../run-failure.ts';

const answerOf = (run: RunResult): string =>
  run.messages
    .filter(({ role }) => role === 'assistant')
    .map(textOf)
    .join('\n');

/** Sends an input; with `wait` it succeeds only when the run completed. */
export const send = (
  flags: ClientFlags & {
    readonly worker: string;
    readonly text: string;
    /** Seconds. */
    readonly wait: number | undefined;
    readonly queue: boolean;
    readonly idempotencyKey: string | undefined;
  },
  output: Output,
): Promise<void> =>
  inSession(flags, output, async (session) => {
    const { worker, text, wait, queue, idempotencyKey } = flags;
    const receipt = await session.client.sendInput(
      worker,
      { text, ...(queue && { whenBusy: 'queue' }) },
      {
        ...(wait !== undefined && { waitMs: wait * 1_000 }),
        ...(idempotencyKey !== undefined && { idempotencyKey }),
      },
    );
    const { run, runId, queued } = receipt;
    session.answer(receipt, () =>
      run === null ? `${queued ? 'queued' : 'accepted'} as ${runId}` : answerOf(run),
    );
    if (wait === undefined) return;
    if (run === null) {
      const { status } = await session.client.getWorker(worker);
      const what = status === 'waiting' ? 'waits for an answer' : `has not finished within ${wait} s`;
      throw leftOn(runId, what, worker);
    }
    if (run.outcome !== 'completed') throw notCompleted(run.outcome, run.error);
  });
