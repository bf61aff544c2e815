import { type ClientFlags, runClientCommand } from '../client-command.ts';
import { defined } from '../defined.ts';
import { choicesOf } from '../display-text.ts';
import type { Output } from '../output.ts';
import { printableLine } from '../printable.ts';
import { table } from '../table.ts';

/** Prints the open requests of all Workers, oldest first. */
export const requests = (
  flags: ClientFlags & { readonly limit: number | undefined; readonly after: string | undefined },
  output: Output,
): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const { limit, after } = flags;
    const page = await command.client.listOpenRequests(defined({ limit, after }));
    command.answer(page, (columns) =>
      table(
        ['SINCE', 'WORKER', 'ASKS'],
        page.items.map(({ openedAt, workerId, prompt, options }) => [
          openedAt,
          workerId,
          printableLine(`${prompt} (${choicesOf(options)})`),
        ]),
        { columns, isText: true },
      ),
    );
    if (page.items.length > 0 && !command.isJson) command.remark('answer with: worker-runtime attach WORKER');
    if (page.next !== null && !command.isJson)
      command.remark(`more items are available: --after ${page.next}`);
  });
