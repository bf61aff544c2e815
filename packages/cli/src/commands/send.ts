import type { FilePart, TextPart } from '@worker-runtime/core';
import { type ClientFlags, runClientCommand } from '../client-command.ts';
import { answerOf } from '../display-text.ts';
import { readLocalFile } from '../local-file.ts';
import type { Output } from '../output.ts';
import { assertCompleted } from '../run-failure.ts';

/** Sends an input, after its files were uploaded. With `wait` it succeeds only if the run completed in time. */
export const send = (
  flags: ClientFlags & {
    readonly worker: string;
    readonly text: string;
    /** The paths of files to send with the text. */
    readonly file: readonly string[] | undefined;
    /** The longest time to wait for the run, in seconds; undefined does not wait. */
    readonly wait: number | undefined;
    readonly queue: boolean;
    readonly idempotencyKey: string | undefined;
  },
  output: Output,
): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const { worker, text, file = [], wait, queue, idempotencyKey } = flags;
    const parts: (TextPart | FilePart)[] = [{ type: 'text', text }];
    // all are read before the first is uploaded, so that a mistyped path leaves nothing
    const files = await Promise.all(file.map(readLocalFile));
    for (const { bytes, description } of files)
      parts.push(await command.client.putFile(worker, bytes, description));
    const receipt = await command.client.sendInput(
      worker,
      { parts, ...(queue && { whenBusy: 'queue' }) },
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
