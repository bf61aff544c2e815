import type { ErrorCode, StreamChunk, WorkerStream } from '@worker-runtime/core';
import { SSE_TYPE } from '../wire/accept.ts';
import { eventFrames, frame, retryFrame } from './sse.ts';
import type { LiveSource } from './stream-source.ts';

/** Room below which no further piece is put into the same write: each may cost a read of its own. */
const WORTH_PULLING = 16_384;

type Piece = Exclude<StreamChunk, { readonly type: 'ended' }>;

const pieceOf = (chunk: Piece): Uint8Array => {
  switch (chunk.type) {
    case 'events':
      return eventFrames(chunk);
    case 'snapshot': {
      const { worker, asOf } = chunk;
      return Buffer.from(frame('snapshot', { worker, asOf }, asOf));
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

/** One Worker's stream as Server-Sent Events. */
export class WorkerSource implements LiveSource {
  readonly contentType = SSE_TYPE;
  readonly opening: string;
  readonly #stream: WorkerStream;
  #ended: ErrorCode | null = null;

  /** `preface` are frames to say first. */
  constructor(stream: WorkerStream, preface = '') {
    this.#stream = stream;
    this.opening = retryFrame() + preface;
  }

  get ended(): ErrorCode | null {
    return this.#ended;
  }

  async next(bytes: number, due: () => void): Promise<Uint8Array | null> {
    const pieces: Uint8Array[] = [];
    let room = bytes;
    while (room >= WORTH_PULLING) {
      // not all of the room, since every line gets a head
      const lineBytes = (room * 3) >> 2;
      let chunk = await this.#stream.pull(lineBytes);
      if (chunk === null && pieces.length === 0) {
        // asked again once it is listened for, since it may have come due in between
        this.#stream.onDue(due);
        chunk = await this.#stream.pull(lineBytes);
      }
      if (chunk === null) break;
      if (chunk.type === 'ended') {
        this.#ended = chunk.code;
        break;
      }
      const piece = pieceOf(chunk);
      pieces.push(piece);
      room -= piece.length;
    }
    return pieces.length < 2 ? (pieces[0] ?? null) : Buffer.concat(pieces);
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
}
