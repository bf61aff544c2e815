import type { Cursor, ErrorCode, WatchItem, WatchStream } from '@worker-runtime/core';
import { NDJSON_TYPE, SSE_TYPE } from '../wire/accept.ts';
import { frame, retryFrame } from './sse.ts';
import type { LiveSource } from './stream-source.ts';

type WatchChange = Exclude<WatchItem, { readonly type: 'ended' }>;

/** How the items of a watch are written. */
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

/** Items as Server-Sent Events; positions are ids, so that an EventSource resumes by itself. */
export const sseWatch = (): WatchFormat => ({
  contentType: SSE_TYPE,
  opening: retryFrame(),
  item: sseItem,
  bookmark: (cursor) => frame('bookmark', { cursor }, cursor),
  closing: (reason) => frame('closing', { reason }),
});

/** Items as they are, one a line. */
export const ndjsonWatch = (): WatchFormat => ({
  contentType: NDJSON_TYPE,
  opening: '',
  item: line,
  bookmark: (cursor) => line({ type: 'bookmark', cursor }),
  closing: (reason) => line({ type: 'closing', reason }),
});

const ITEMS_A_PULL = 16;

/** The Workers of a runtime, live. */
export class WatchSource implements LiveSource {
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
      let items = this.#stream.pull(ITEMS_A_PULL);
      if (items === null && text === '') {
        this.#stream.onDue(due);
        items = this.#stream.pull(ITEMS_A_PULL);
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
