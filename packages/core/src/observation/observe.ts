import { decodeEvent } from '../contracts/event.ts';
import type { Observation, WatchItem } from '../contracts/observation.ts';
import type { WatchStream, WorkerStream } from '../contracts/stream.ts';
import { textOf } from '../log/lines.ts';

const CHUNK_BYTES = 65_536;
const CHUNK_ITEMS = 256;

/** Resolves when the stream has something due, or when the signal is aborted. */
const due = (stream: { onDue(callback: () => void): void }, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve) => {
    const wake = (): void => {
      signal?.removeEventListener('abort', wake);
      resolve();
    };
    if (signal?.aborted) return resolve();
    signal?.addEventListener('abort', wake, { once: true });
    stream.onDue(wake);
  });

/** Yields the stream of one Worker as typed items. */
export async function* observe(
  open: () => Promise<WorkerStream>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Observation> {
  const stream = await open();
  try {
    while (!signal?.aborted) {
      const chunk = await stream.pull(CHUNK_BYTES);
      if (chunk === null) await due(stream, signal);
      else if (chunk.type === 'events') {
        for (const { cursor, line } of chunk.entries()) {
          yield { type: 'event', event: decodeEvent(textOf({ seq: 0, offset: 0, bytes: line })), cursor };
          if (signal?.aborted) return;
        }
      } else {
        yield chunk;
        if (chunk.type === 'ended') return;
      }
    }
  } finally {
    stream.close();
  }
}

/** Yields the stream of all Workers as items. */
export async function* watch(
  open: () => WatchStream,
  signal: AbortSignal | undefined,
): AsyncGenerator<WatchItem> {
  const stream = open();
  try {
    while (!signal?.aborted) {
      const items = stream.pull(CHUNK_ITEMS);
      if (items === null) await due(stream, signal);
      else {
        for (const item of items) {
          yield item;
          if (item.type === 'ended') return;
        }
      }
    }
  } finally {
    stream.close();
  }
}
