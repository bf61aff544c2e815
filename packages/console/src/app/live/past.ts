import type { RuntimeClient } from '@worker-runtime/client';
import type { WorkerEvent } from '@worker-runtime/core';
import { useEffect, useState } from 'react';

/** The number of events that are read before the one that a link names. */
const EVENTS_BEFORE = 500;

interface Past {
  readonly until: number;
  readonly events: readonly WorkerEvent[];
}

/**
 * Reads the events that end with the one of a number, however long the log is. Returns null until they are read, and while the
 * number is null.
 */
export const usePast = (
  api: RuntimeClient,
  workerId: string,
  until: number | null,
): readonly WorkerEvent[] | null => {
  const [past, setPast] = useState<Past | null>(null);
  useEffect(() => {
    if (until === null) return undefined;
    let isCurrent = true;
    void api.events(workerId, { before: `@${until}`, limit: EVENTS_BEFORE }).then(
      ({ items }) => {
        const events = items.toSorted((one, other) => one.seq - other.seq);
        if (isCurrent) setPast({ until, events });
      },
      () => {
        // the number is beyond the log: there is nothing to show
        if (isCurrent) setPast({ until, events: [] });
      },
    );
    return () => {
      isCurrent = false;
    };
  }, [api, workerId, until]);
  // while the next place is read, the last one stays
  return until === null ? null : (past?.events ?? null);
};
