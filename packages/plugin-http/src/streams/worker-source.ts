import type { ErrorCode } from '@worker-runtime/core';
import type { EventsChunk, StreamChunk, WorkerStream } from '@worker-runtime/core/plugin-kit';
import { SSE_TYPE } from '../wire/accept.ts';
import { type EventFrames, eventFrames, frame, releaseFrames, retryLine } from './sse.ts';
import type { StreamSource } from './stream-source.ts';

/** The least room in a write for which another chunk is read: each may cost a read of the store. */
const MIN_ROOM = 16_384;

type SentChunk = Exclude<StreamChunk, { readonly type: 'ended' }>;

const bytesOf = (chunk: Exclude<SentChunk, EventsChunk>): Uint8Array => {
  switch (chunk.type) {
    case 'snapshot': {
      const { worker, requests, asOf } = chunk;
      return Buffer.from(frame('snapshot', { worker, requests, asOf }, asOf));
    }
    case 'in-flight':
      return Buffer.from(frame('in-flight', { messages: chunk.messages }));
    case 'delta':
    case 'gap': {
      const { type, ...data } = chunk;
      return Buffer.from(frame(type, data));
    }
  }
};

/** The stream of one Worker as Server-Sent Events. */
export class WorkerSource implements StreamSource {
  readonly contentType = SSE_TYPE;
  readonly opening: string;
  readonly #stream: WorkerStream;
  /** The frames in the bytes of the last `next`. */
  #frames: EventFrames[] = [];
  #ended: ErrorCode | null = null;

  /** `preface` holds frames to send first. */
  constructor(stream: WorkerStream, preface = '') {
    this.#stream = stream;
    this.opening = retryLine() + preface;
  }

  get ended(): ErrorCode | null {
    return this.#ended;
  }

  async next(bytes: number, due: () => void): Promise<Uint8Array | null> {
    const pieces: Uint8Array[] = [];
    // frames that were not sent are forgotten
    this.#frames = [];
    let room = bytes;
    while (room >= MIN_ROOM) {
      // not all of the room, since every line gets an `id:` line
      const lineBytes = (room * 3) >> 2;
      let chunk = await this.#stream.pull(lineBytes);
      if (chunk === null && pieces.length === 0) {
        // pulled again, since a chunk may have become due before the callback was registered
        this.#stream.onDue(due);
        chunk = await this.#stream.pull(lineBytes);
      }
      if (chunk === null) break;
      if (chunk.type === 'ended') {
        this.#ended = chunk.code;
        break;
      }
      const piece = this.#bytesOf(chunk);
      pieces.push(piece);
      room -= piece.length;
    }
    if (pieces.length < 2) return pieces[0] ?? null;
    const all = Buffer.concat(pieces);
    // the frames themselves are not sent
    this.sent();
    return all;
  }

  sent(): void {
    for (const frames of this.#frames) releaseFrames(frames);
    this.#frames = [];
  }

  bookmark(): string {
    const { cursor } = this.#stream;
    return frame('bookmark', { cursor }, cursor);
  }

  closing(reason: ErrorCode): string {
    return frame('closing', { reason });
  }

  close(): void {
    this.#stream.close();
  }

  #bytesOf(chunk: SentChunk): Uint8Array {
    if (chunk.type !== 'events') return bytesOf(chunk);
    const frames = eventFrames(chunk);
    // the frames have a copy of the lines
    this.#stream.release();
    this.#frames.push(frames);
    return frames.bytes;
  }
}
