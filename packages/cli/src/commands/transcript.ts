import { type ClientFlags, inSession } from '../client-command.ts';
import { said } from '../defined.ts';
import { textOf } from '../display-text.ts';
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
  inSession(flags, output, async (session) => {
    const { limit, after, before } = flags;
    const page = await session.client.transcript(flags.worker, said({ limit, after, before }));
    session.answer(page, () => page.items.map((item) => `${item.role}: ${textOf(item)}`).join('\n'));
    if (page.next !== null && !session.isJson)
      session.remark(`there is more: --${before === undefined ? 'after' : 'before'} ${page.next}`);
  });
