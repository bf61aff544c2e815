import type { WorkerEvent } from '@worker-runtime/core';

/** A message of an endpoint. Its id and its body are the same for each attempt. */
export interface Message {
  readonly id: string;
  readonly body: string;
}

/** The members that only the engine or the runtime needs. */
const PRIVATE: ReadonlySet<string> = new Set(['opaque', 'key']);

/** Returns an object and its parts without their private members. */
const publicData = (data: object): object =>
  Object.fromEntries(
    Object.entries(data)
      .filter(([name]) => !PRIVATE.has(name))
      .map(([name, value]) => [
        name,
        name === 'parts' && Array.isArray(value) ? value.map((part: object) => publicData(part)) : value,
      ]),
  );

/** Returns the message about an event of a log. */
export const messageOf = (runtimeId: string, log: string, event: WorkerEvent): Message => {
  const { seq, time, worker, type, run } = event;
  return {
    id: `${log}_${seq}`,
    body: JSON.stringify({
      type,
      timestamp: time,
      data: { runtimeId, workerId: worker, seq, run: run ?? null, event: publicData(event.data) },
    }),
  };
};
