import { type ClientFlags, runClientCommand } from '../client-command.ts';
import { answerOf } from '../display-text.ts';
import type { Output } from '../output.ts';
import { assertCompleted } from '../run-failure.ts';

/** The longest wait, in seconds: a day. */
const MAX_SECONDS = 86_400;

/** Waits for a run. Succeeds only if the run completed in time. */
export const wait = (
  flags: ClientFlags & {
    readonly worker: string;
    readonly run: string;
    /** The longest time to wait, in seconds. */
    readonly timeout: number | undefined;
  },
  output: Output,
): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const { worker, run: runId, timeout = MAX_SECONDS } = flags;
    const end = await command.client.waitForRun(worker, runId, { waitMs: timeout * 1_000 });
    const { run } = end;
    if (command.isJson || run !== null) command.answer(end, () => (run === null ? '' : answerOf(run)));
    assertCompleted(worker, runId, end, timeout);
  });
