import type { Cursor } from '@worker-runtime/core';
import type { Connection } from './connection.ts';
import { parsedData } from './parsed-data.ts';
import { segment } from './path-segment.ts';
import { queryOf } from './query.ts';
import { RemoteError, unreachable } from './remote-error.ts';
import { EventReader } from './sse-parser.ts';
import { type OpenStream, opened } from './stream-event.ts';

const pathOf = (worker: string | null): string =>
  worker === null ? '/watch' : `/workers/${segment(worker, 'WORKER_NOT_FOUND')}/events`;

/** Streams as Server-Sent Events, a connection each. A position is sent as a browser's EventSource would. */
export const sseStreams = (connection: Connection, silenceMs: number): OpenStream =>
  async function* ({ worker, after, deltas }, signal) {
    const query = queryOf({ after, deltas: deltas ? undefined : '0' });
    const answer = await connection.open({ method: 'GET', path: pathOf(worker), query, signal });
    const reader = answer.body.getReader();
    // both: the signal that `fetch` was given may not reach it any more, see Connection
    const abort = (): void => {
      answer.abort();
      // what aborting makes of the rest of the body is of no interest
      reader.cancel().catch(() => {});
    };
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    const events = new EventReader();
    try {
      yield opened(answer.runtimeId);
      for (;;) {
        const silent = setTimeout(abort, silenceMs);
        const { done, value } = await reader.read().finally(() => clearTimeout(silent));
        if (done) break;
        for (const { event, data, id } of events.push(value))
          yield { event, data: parsedData(data), id: id as Cursor | null };
      }
    } catch (cause) {
      throw cause instanceof RemoteError ? cause : unreachable('The stream was cut off', cause);
    } finally {
      signal.removeEventListener('abort', abort);
      abort();
    }
    throw unreachable('The stream was cut off');
  };
