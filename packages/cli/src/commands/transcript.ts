import type { Cursor, Page, TranscriptItem } from '@worker-runtime/core';
import { markdownOf } from '@worker-runtime/core/views';
import { type ClientCommand, type ClientFlags, runClientCommand } from '../client-command.ts';
import { defined } from '../defined.ts';
import { speakerOf, textOf } from '../display-text.ts';
import type { Output } from '../output.ts';

interface TranscriptFlags extends ClientFlags {
  readonly worker: string;
  readonly limit: number | undefined;
  readonly after: string | undefined;
  readonly before: string | undefined;
  readonly markdown: boolean;
}

/** The size of the pages in which a whole conversation is read. */
const PAGE_ITEMS = 200;

/** Prints the whole conversation as one document. */
const printDocument = async (command: ClientCommand, worker: string): Promise<void> => {
  const { signal } = new AbortController();
  const { archived } = await command.client.getWorker(worker);
  if (archived)
    command.remark(`items before event ${archived.firstSeq} are in the archive ${archived.archive}`);
  let after: Cursor | null = archived?.cursor ?? 'start';
  while (after !== null) {
    const page: Page<TranscriptItem> = await command.client.transcript(worker, { after, limit: PAGE_ITEMS });
    // a line break follows each answer, so the one at the end of an item is left out
    for (const item of page.items) command.answer(item, () => markdownOf(item).slice(0, -1));
    await command.room(signal);
    after = page.next;
  }
};

export const transcript = (flags: TranscriptFlags, output: Output): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const { limit, after } = flags;
    if (flags.markdown) return printDocument(command, flags.worker);
    // a limit without a position is for the newest items
    const before = flags.before ?? (limit !== undefined && after === undefined ? 'end' : undefined);
    const page = await command.client.transcript(flags.worker, defined({ limit, after, before }));
    command.answer(page, () => page.items.map((item) => `${speakerOf(item)}: ${textOf(item)}`).join('\n'));
    if (page.gaps?.some(({ code }) => code === 'HISTORY_ARCHIVED') && !command.isJson)
      command.remark('earlier items are in an archive; worker-runtime workers show names it');
    if (page.next !== null && !command.isJson)
      command.remark(`more items are available: --${before === undefined ? 'after' : 'before'} ${page.next}`);
  });
