import type { Cursor, ErrorCode, WatchItem } from '@worker-runtime/core';
import type { WatchStream } from '@worker-runtime/core/plugin-kit';
import { NDJSON_TYPE, SSE_TYPE } from '../wire/accept.ts';
import { frame, retryLine } from './sse.ts';
import type { StreamSource } from './stream-source.ts';

type WatchChange = Exclude<WatchItem, { readonly type: 'ended' }>;

/** The text form of the items of a watch. */
export interface WatchFormat {
  readonly contentType: string;
  readonly opening: string;
  item(item: WatchChange): string;
  bookmark(cursor: Cursor): string;
  closing(reason: ErrorCode): string;
}

const sseItem = (item: WatchChange): string => {
  switch (item.type) {
    case 'worker':
      return frame(item.type, item.worker);
    case 'worker-removed':
      return frame(item.type, { workerId: item.workerId });
    case 'synced':
      return frame(item.type, { cursor: item.cursor }, item.cursor);
    case 'reset':
      return frame(item.type, {});
  }
};

const line = (value: unknown): string => `${JSON.stringify(value)}\n`;

/** Returns the format of Server-Sent Events. Positions are ids, so that an EventSource resumes by itself. */
export const sseWatch = (): WatchFormat => ({
  contentType: SSE_TYPE,
  opening: retryLine(),
  item: sseItem,
  bookmark: (cursor) => frame('bookmark', { cursor }, cursor),
  closing: (reason) => frame('closing', { reason }),
});

/** Returns the format with one JSON item a line. */
export const ndjsonWatch = (): WatchFormat => ({
  contentType: NDJSON_TYPE,
  opening: '',
  item: line,
  bookmark: (cursor) => line({ type: 'bookmark', cursor }),
  closing: (reason) => line({ type: 'closing', reason }),
});

const ITEMS_PER_PULL = 16;

/** The stream of all Workers of a runtime. */
export class WatchSource implements StreamSource {
  readonly contentType: string;
  readonly opening: string;
  readonly #stream: WatchStream;
  readonly #format: WatchFormat;
  #cursor: Cursor | null = null;
  #ended: ErrorCode | null = null;

  constructor(stream: WatchStream, format: WatchFormat) {
    this.contentType = format.contentType;
    this.opening = format.opening;
    this.#stream = stream;
    this.#format = format;
  }

  get ended(): ErrorCode | null {
    return this.#ended;
  }

  async next(bytes: number, due: () => void): Promise<Uint8Array | null> {
    let text = '';
    while (text.length < bytes) {
      let items = this.#stream.pull(ITEMS_PER_PULL);
      if (items === null && text === '') {
        this.#stream.onDue(due);
        items = this.#stream.pull(ITEMS_PER_PULL);
      }
      if (items === null) break;
      for (const item of items) {
        if (item.type === 'synced') this.#cursor = item.cursor;
        if (item.type === 'ended') this.#ended = item.code;
        else text += this.#format.item(item);
      }
    }
    return text === '' ? null : Buffer.from(text);
  }

  sent(): void {}

  bookmark(): string | null {
    return this.#cursor === null ? null : this.#format.bookmark(this.#cursor);
  }

  closing(reason: ErrorCode): string {
    return this.#format.closing(reason);
  }

  close(): void {
    this.#stream.close();
  }
}
