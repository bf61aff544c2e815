import { type Logger, RuntimeError } from '@worker-runtime/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type ByteTotal, Transfer } from './byte-total.ts';

/** Returns the bytes that the body of a request may have; 0 if the request has no body. */
const announcedBytes = ({ headers }: FastifyRequest, bodyBytes: number): number =>
  headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : bodyBytes;

/**
 * Counts the bytes of all bodies, from their announcement until the request is answered. At the limit the clients are
 * disconnected that have been sending for the longest time; if there are none, further bodies get LIMIT_REACHED.
 */
export const limitBodies = (
  app: FastifyInstance,
  bodies: ByteTotal,
  bodyBytes: number,
  log: Logger,
): void => {
  app.decorateRequest('bodyTransfer', null);
  app.addHook('preParsing', (request, reply, payload, done) => {
    const bytes = announcedBytes(request, bodyBytes);
    // a larger body is refused without being read
    if (bytes === 0 || bytes > bodyBytes) return done(null, payload);
    if (!bodies.hasRoom(bytes)) {
      return done(
        new RuntimeError('LIMIT_REACHED', 'Too many requests with bodies are in progress', {
          details: { limit: 'totalBodyBytes', value: bodies.limit },
        }),
      );
    }
    const transfer = new Transfer(request.raw.socket, () =>
      log.info({ correlationId: request.id }, 'disconnected a client that sends its body slowly'),
    );
    bodies.hold(transfer, bytes);
    request.bodyTransfer = transfer;
    reply.raw.once('close', () => bodies.release(transfer));
    return done(null, payload);
  });
};

/** Notes that a body has arrived. */
export const bodyArrived = (bodies: ByteTotal, { bodyTransfer }: FastifyRequest, bytes: number): void => {
  if (bodyTransfer === null) return;
  bodies.settle(bodyTransfer);
  bodies.resize(bodyTransfer, bytes);
};
