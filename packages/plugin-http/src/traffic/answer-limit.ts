import type { IncomingMessage } from 'node:http';
import { type Logger, RuntimeError } from '@worker-runtime/core';
import { type ByteTotal, Transfer } from './byte-total.ts';

/** An answer of this size is never refused: it is an error, the answer to a command, or one Worker. */
const SMALL_BYTES = 16_384;
/** The part of the limit that reads may use. The rest remains for the answers to commands. */
const SHARE_OF_READS = 7 / 8;

const limitReached = ({ limit }: ByteTotal): RuntimeError =>
  new RuntimeError('LIMIT_REACHED', 'Too many answers wait for their clients to read them', {
    details: { limit: 'totalAnswerBytes', value: limit },
  });

/** The facts about a request that its answer depends on. */
interface AnsweredRequest {
  readonly id: string;
  readonly isRead: boolean;
  readonly raw: IncomingMessage;
}

/** Counts the bytes of every answer until its client has read it, and disconnects a client that stops reading. */
export class AnswerLimit {
  readonly #answers: ByteTotal;
  readonly #log: Logger;

  constructor(answers: ByteTotal, log: Logger) {
    this.#answers = answers;
    this.#log = log;
  }

  /** Refuses a command while the answers of all clients are at their limit: its answer could not be refused later. */
  assertRoom(isRead: boolean): void {
    if (!isRead && !this.#answers.hasRoom(0)) throw limitReached(this.#answers);
  }

  /** Counts an answer until `release`. @throws LIMIT_REACHED it has no room, and may be refused */
  hold({ id, isRead, raw }: AnsweredRequest, bytes: number): Transfer {
    const answers = this.#answers;
    if (isRead && bytes > SMALL_BYTES && !answers.hasRoom(bytes, answers.limit * SHARE_OF_READS)) {
      throw limitReached(answers);
    }
    const transfer = new Transfer(raw.socket, () =>
      this.#log.info({ correlationId: id }, 'disconnected a client that stopped reading'),
    );
    answers.hold(transfer, bytes);
    return transfer;
  }

  /** Notes that the client has taken a part of its answer. */
  progress(transfer: Transfer | null): void {
    if (transfer !== null) this.#answers.progress(transfer);
  }

  /** Counts the answer no longer. */
  release(transfer: Transfer | null): void {
    if (transfer !== null) this.#answers.release(transfer);
  }
}
