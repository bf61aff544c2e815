import type { Cursor } from '@worker-runtime/core';
import type { Connection } from './connection.ts';
import { pathSegment } from './path-segment.ts';
import { queryOf } from './query.ts';
import { notARuntime, RemoteError, unreachable } from './remote-error.ts';
import { SseParser } from './sse-parser.ts';
import { type OpenStream, openEvent } from './stream-event.ts';

const pathOf = (worker: string | null): string =>
  worker === null ? '/watch' : `/workers/${pathSegment(worker, 'WORKER_NOT_FOUND')}/events`;

/** @throws VERSION_UNSUPPORTED the data is not JSON */
const parseData = (data: string): unknown => {
  try {
    return JSON.parse(data);
  } catch (cause) {
    throw notARuntime(200, cause);
  }
};

/** Streams over Server-Sent Events, each over its own connection. */
export const sseStreams = (connection: Connection, silenceMs: number): OpenStream =>
  async function* ({ worker, after, deltas }, signal) {
    const query = queryOf({ after, deltas: deltas ? undefined : '0' });
    const response = await connection.open({ method: 'GET', path: pathOf(worker), query, signal });
    const reader = response.body.getReader();
    // abort both: the signal that was passed to `fetch` may no longer reach it, see Connection
    const abort = (): void => {
      response.abort();
      // errors of an aborted body have no meaning
      reader.cancel().catch(() => {});
    };
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    const parser = new SseParser();
    try {
      yield openEvent(response.runtimeId);
      for (;;) {
        const silence = setTimeout(abort, silenceMs);
        const { done, value } = await reader.read().finally(() => clearTimeout(silence));
        if (done) break;
        for (const { event, data, id } of parser.push(value))
          yield { event, data: parseData(data), id: id as Cursor | null };
      }
    } catch (cause) {
      throw cause instanceof RemoteError
        ? cause
        : unreachable('The connection of the stream was lost', cause);
    } finally {
      signal.removeEventListener('abort', abort);
      abort();
    }
    throw unreachable('The connection of the stream was lost');
  };
