import type { LogGap, WorkerEvent } from '@worker-runtime/core';
import { type ClientFlags, inSession, type Session } from '../client-command.ts';
import { gistOf } from '../display-text.ts';
import type { Output } from '../output.ts';
import { printableLine } from '../printable.ts';

const PAGE_ITEMS = 1_000;

const lineOf = (event: WorkerEvent): string =>
  `${String(event.seq).padStart(5)}  ${event.time}  ${event.type.padEnd(18)}  ${printableLine(gistOf(event))}`.trimEnd();

const tell = (session: Session, event: WorkerEvent): void =>
  session.line(JSON.stringify(event), () => lineOf(event));

const tellGap = (session: Session, { afterSeq, beforeSeq, code }: LogGap): void =>
  session.remark(`events between ${afterSeq} and ${beforeSeq} cannot be read: ${code}`);

/** Tells what is stored after a position. Returns where it stopped, and whether that was before the end. */
const tellStored = async (
  session: Session,
  worker: string,
  after: string,
  limit: number,
  signal: AbortSignal,
): Promise<{ readonly at: string; readonly hasMore: boolean }> => {
  let left = limit;
  for (let from = after; ; ) {
    const page = await session.client.events(worker, { after: from, limit: Math.min(left, PAGE_ITEMS) });
    for (const gap of page.gaps ?? []) tellGap(session, gap);
    for (const event of page.items) tell(session, event);
    left -= page.items.length;
    if (page.next === null || left <= 0 || signal.aborted)
      return { at: page.asOf, hasMore: page.next !== null };
    from = page.next;
  }
};

/** Prints what is stored, and with `follow` what comes, until Ctrl-C or until the Worker is deleted. */
export const events = (
  flags: ClientFlags & {
    readonly worker: string;
    readonly follow: boolean | undefined;
    readonly after: string | undefined;
    readonly limit: number | undefined;
  },
  output: Output,
): Promise<void> =>
  inSession(flags, output, async (session) => {
    const { worker, limit = Number.POSITIVE_INFINITY } = flags;
    const leave = new AbortController();
    const { signal } = leave;
    if (flags.follow === true) {
      // before the first line is printed: who sees it may have seen enough
      process.once('SIGINT', () => leave.abort());
      process.once('SIGTERM', () => leave.abort());
    }
    const { at, hasMore } = await tellStored(session, worker, flags.after ?? 'start', limit, signal);
    if (flags.follow !== true) {
      if (hasMore && !session.isJson) session.remark(`there are more: --after ${at}`);
      return;
    }
    for await (const item of session.client.observe(worker, {
      after: at,
      deltas: false,
      acrossRestarts: true,
      signal,
    })) {
      if (item.type === 'event') tell(session, item.event);
      else if (item.type === 'gap') tellGap(session, item);
    }
  });
