import type { Diagnostic } from '@worker-runtime/core';
import { type ClientFlags, runClientCommand } from '../client-command.ts';
import { defined } from '../defined.ts';
import type { Output } from '../output.ts';
import { printableLine } from '../printable.ts';
import { table } from '../table.ts';

/** Formats a diagnostic on one line. The correlation id finds its details in the log of the runtime. */
export const diagnosticLine = ({ code, message, correlationId }: Diagnostic): string =>
  printableLine(`${code}: ${message} (${correlationId})`);

/** Prints the problems that the runtime survived, newest first. */
export const diagnostics = (
  flags: ClientFlags & { readonly limit: number | undefined; readonly after: string | undefined },
  output: Output,
): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const { limit, after } = flags;
    const page = await command.client.diagnostics(defined({ limit, after }));
    command.answer(page, (columns) =>
      table(
        ['TIME', 'SEVERITY', 'WORKER', 'MESSAGE'],
        page.items.map((item) => [item.time, item.severity, item.worker ?? '-', diagnosticLine(item)]),
        { columns, isText: true },
      ),
    );
    if (page.next !== null && !command.isJson)
      command.remark(`more items are available: --after ${page.next}`);
  });
