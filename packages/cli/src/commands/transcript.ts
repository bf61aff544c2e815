import { type ClientFlags, runClientCommand } from '../client-command.ts';
import { defined } from '../defined.ts';
import { speakerOf, textOf } from '../display-text.ts';
import type { Output } from '../output.ts';

export const transcript = (
  flags: ClientFlags & {
    readonly worker: string;
    readonly limit: number | undefined;
    readonly after: string | undefined;
    readonly before: string | undefined;
  },
  output: Output,
): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const { limit, after } = flags;
    // a limit without a position is for the newest items
    const before = flags.before ?? (limit !== undefined && after === undefined ? 'end' : undefined);
    const page = await command.client.transcript(flags.worker, defined({ limit, after, before }));
    command.answer(page, () => page.items.map((item) => `${speakerOf(item)}: ${textOf(item)}`).join('\n'));
    if (page.next !== null && !command.isJson)
      command.remark(`more items are available: --${before === undefined ? 'after' : 'before'} ${page.next}`);
  });
