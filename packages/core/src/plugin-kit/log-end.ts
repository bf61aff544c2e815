import type { WorkerEvent } from '../contracts/event.ts';
import type { RuntimeApi } from '../contracts/runtime-api.ts';

/** The last events of a log. */
export interface LogEnd {
  readonly events: readonly WorkerEvent[];
  /** True if there are no earlier events. */
  readonly isAll: boolean;
}

/** The most events that one call reads, and how many of them at once. */
const READ_EVENTS = 2_000;
const PAGE_EVENTS = 500;

/** Reads the last 2,000 events of a log. The first run of them may be incomplete. @throws as `RuntimeApi.events` */
export const readLogEnd = async (runtime: Pick<RuntimeApi, 'events'>, workerId: string): Promise<LogEnd> => {
  let events: readonly WorkerEvent[] = [];
  let before = 'end';
  while (events.length < READ_EVENTS) {
    const { items, next } = await runtime.events(workerId, { before, limit: PAGE_EVENTS });
    events = [...items, ...events];
    if (next === null) return { events, isAll: true };
    before = next;
  }
  return { events, isAll: false };
};
