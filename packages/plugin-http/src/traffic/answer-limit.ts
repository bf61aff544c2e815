import { type Logger, RuntimeError } from '@worker-runtime/core';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type ByteTotal, Transfer } from './byte-total.ts';
import { isSliced, slicesOf } from './slices.ts';

/** An answer of this size is never refused: it is an error, the answer to a command, or one Worker. */
const SMALL_BYTES = 16_384;
/** The part of the limit that reads may use. The rest remains for the answers to commands. */
const SHARE_OF_READS = 7 / 8;
/** The headers that describe the items of a page. */
const PAGE_HEADERS = ['page-next', 'page-as-of', 'page-gaps'];

const limitReached = ({ limit }: ByteTotal): RuntimeError =>
  new RuntimeError('LIMIT_REACHED', 'Too many answers wait for their clients to read them', {
    details: { limit: 'totalAnswerBytes', value: limit },
  });

const isRead = ({ method }: FastifyRequest): boolean => method === 'GET' || method === 'HEAD';

const bytesOf = (payload: unknown): number | null => {
  if (typeof payload === 'string') return Buffer.byteLength(payload);
  return payload instanceof Uint8Array ? payload.length : null;
};

/** Refuses a command while the answers of all clients are at their limit: its answer could not be refused later. */
export const assertRoomForAnswer = (request: FastifyRequest, answers: ByteTotal): void => {
  if (!isRead(request) && !answers.hasRoom(0)) throw limitReached(answers);
};

/** Counts the bytes of every answer until its client has read it, and disconnects a client that stops reading. */
export const limitAnswers = (app: FastifyInstance, answers: ByteTotal, log: Logger): void => {
  const hold = (request: FastifyRequest, { raw }: FastifyReply, bytes: number): Transfer => {
    const transfer = new Transfer(request.raw.socket, () =>
      log.info({ correlationId: request.id }, 'disconnected a client that stopped reading'),
    );
    answers.hold(transfer, bytes);
    raw.on('close', () => answers.release(transfer));
    return transfer;
  };
  app.addHook('onSend', (request, reply, payload, done) => {
    const bytes = bytesOf(payload);
    if (bytes === null || request.method === 'HEAD') return done(null, payload);
    if (isRead(request) && bytes > SMALL_BYTES && !answers.hasRoom(bytes, answers.limit * SHARE_OF_READS)) {
      for (const name of PAGE_HEADERS) reply.removeHeader(name);
      return done(limitReached(answers));
    }
    const transfer = hold(request, reply, bytes);
    if (!isSliced(bytes)) return done(null, payload);
    reply.header('content-length', String(bytes));
    const buffer = typeof payload === 'string' ? Buffer.from(payload) : (payload as Buffer);
    return done(
      null,
      slicesOf(buffer, () => answers.progress(transfer)),
    );
  });
};
