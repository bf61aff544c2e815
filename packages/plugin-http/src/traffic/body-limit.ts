import { type Readable, Transform } from 'node:stream';
import { type Logger, RuntimeError } from '@worker-runtime/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type ByteTotal, Transfer } from './byte-total.ts';

/** The limit of the body of a request, by its name in the options or in `Limits`. */
interface BodyLimit {
  readonly limit: string;
  readonly value: number;
}

/** Returns the limit of the body of a request. The runtimes of a server may have different limits of a file. */
const bodyLimitOf = ({ routeOptions, served }: FastifyRequest, bodyBytes: number): BodyLimit =>
  routeOptions.config.isFile
    ? { limit: 'fileBytes', value: served.limits.fileBytes }
    : { limit: 'bodyBytes', value: bodyBytes };

const tooLarge = (limit: BodyLimit): RuntimeError =>
  new RuntimeError('PAYLOAD_TOO_LARGE', undefined, { details: { ...limit } });

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
    const limit = bodyLimitOf(request, bodyBytes);
    const bytes = announcedBytes(request, limit.value);
    if (bytes === 0) return done(null, payload);
    if (bytes > limit.value) {
      // refused without being read, so the connection cannot be used again
      reply.header('connection', 'close');
      return done(tooLarge(limit));
    }
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
    reply.raw.on('close', () => bodies.release(transfer));
    if (!request.routeOptions.config.isFile || request.headers['content-length'] !== undefined)
      return done(null, payload);
    const close = (): unknown => reply.header('connection', 'close');
    return done(null, limited(payload as Readable, limit, close));
  });
};

/** Returns a body whose length is not known in advance, and which fails at its limit. */
const limited = (body: Readable, limit: BodyLimit, refused: () => void): Transform => {
  let received = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      received += chunk.length;
      if (received <= limit.value) return done(null, chunk);
      refused();
      return done(tooLarge(limit));
    },
  });
  body.once('error', (error) => counted.destroy(error));
  return body.pipe(counted);
};

/** Notes that a body has arrived. */
export const bodyArrived = (bodies: ByteTotal, { bodyTransfer }: FastifyRequest, bytes: number): void => {
  if (bodyTransfer === null) return;
  bodies.settle(bodyTransfer);
  bodies.resize(bodyTransfer, bytes);
};
