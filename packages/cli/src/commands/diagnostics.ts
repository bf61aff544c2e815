import type { Diagnostic } from '@worker-runtime/core';
import { type ClientFlags, inSession } from '../client-command.ts';
import { said } from '../defined.ts';
import type { Output } from '../output.ts';
import { printableLine } from '../printable.ts';
import { table } from '../table.ts';

/** What went wrong, on one line; the id finds the full story in the log of the runtime. */
export const gistOf = ({ code, message, correlationId }: Diagnostic): string =>
  printableLine(`${code}: ${message} (${correlationId})`);

/** Trouble that the runtime survived, newest first. */
export const diagnostics = (
  flags: ClientFlags & { readonly limit: number | undefined; readonly after: string | undefined },
  output: Output,
): Promise<void> =>
  inSession(flags, output, async (session) => {
    const { limit, after } = flags;
    const page = await session.client.diagnostics(said({ limit, after }));
    session.answer(page, () =>
      table(
        ['TIME', 'SEVERITY', 'WORKER', 'WHAT'],
        page.items.map((item) => [item.time, item.severity, item.worker ?? '-', gistOf(item)]),
      ),
    );
    if (page.next !== null && !session.isJson) session.remark(`there are more: --after ${page.next}`);
  });
