import type { EventType, LogGap, WorkerEvent } from '@worker-runtime/core';
import { type ClientCommand, type ClientFlags, runClientCommand } from '../client-command.ts';
import { eventSummary } from '../display-text.ts';
import type { Output } from '../output.ts';
import { printableLine } from '../printable.ts';
import { leaveStalledReaders } from '../standard-stream.ts';

const PAGE_ITEMS = 1_000;

const lineOf = (event: WorkerEvent): string =>
  `${String(event.seq).padStart(5)}  ${event.time}  ${event.type.padEnd(18)}  ${printableLine(eventSummary(event))}`.trimEnd();

const printEvent = (command: ClientCommand, event: WorkerEvent): void =>
  command.line(JSON.stringify(event), () => lineOf(event));

const printGap = (command: ClientCommand, { afterSeq, beforeSeq, code }: LogGap): void =>
  command.remark(`events between ${afterSeq} and ${beforeSeq} cannot be read: ${code}`);

/** Prints the stored events after a cursor. Returns the cursor where it stopped, and whether more events follow. */
const printStored = async (
  command: ClientCommand,
  worker: string,
  after: string,
  limit: number,
  types: readonly EventType[] | undefined,
  signal: AbortSignal,
): Promise<{ readonly at: string; readonly hasMore: boolean }> => {
  let left = limit;
  for (let from = after; ; ) {
    const page = await command.client.events(worker, {
      after: from,
      limit: Math.min(left, PAGE_ITEMS),
      ...(types && { types }),
    });
    for (const gap of page.gaps ?? []) printGap(command, gap);
    for (const event of page.items) printEvent(command, event);
    await command.room(signal);
    left -= page.items.length;
    if (page.next === null || left <= 0 || signal.aborted)
      return { at: page.asOf, hasMore: page.next !== null };
    from = page.next;
  }
};

/**
 * Returns the position of the first event that is stored. Earlier ones may be in an archive, which a remark names. A person who
 * asks for all events gets those that are there; who names a position learns that it is gone.
 */
const beginningOf = async (command: ClientCommand, worker: string): Promise<string> => {
  const { archived } = await command.client.getWorker(worker);
  if (!archived) return 'start';
  command.remark(`events before ${archived.firstSeq} are in the archive ${archived.archive}`);
  return archived.cursor;
};

/** Prints the stored events. With `follow` it continues with new events until Ctrl-C or until the Worker is deleted. */
export const events = (
  flags: ClientFlags & {
    readonly worker: string;
    readonly follow: boolean | undefined;
    readonly after: string | undefined;
    readonly limit: number | undefined;
    readonly type: readonly EventType[] | undefined;
  },
  output: Output,
): Promise<void> =>
  runClientCommand(flags, output, async (command) => {
    const { worker, limit = Number.POSITIVE_INFINITY, type: types } = flags;
    const leave = new AbortController();
    const { signal } = leave;
    if (flags.follow === true) {
      // set before the first line is printed, because the reader may interrupt as soon as it appears
      const onSignal = (): void => {
        leaveStalledReaders();
        leave.abort();
      };
      process.once('SIGINT', onSignal);
      process.once('SIGTERM', onSignal);
    }
    const after = flags.after ?? (await beginningOf(command, worker));
    const { at, hasMore } = await printStored(command, worker, after, limit, types, signal);
    if (flags.follow !== true) {
      if (hasMore && !command.isJson) command.remark(`more items are available: --after ${at}`);
      return;
    }
    for await (const item of command.client.observe(worker, {
      after: at,
      deltas: false,
      acrossRestarts: true,
      signal,
    })) {
      if (item.type === 'event') {
        if (types?.includes(item.event.type) !== false) printEvent(command, item.event);
      } else if (item.type === 'gap') printGap(command, item);
      await command.room(signal);
    }
  });
