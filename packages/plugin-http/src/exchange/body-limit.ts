import { type Logger, RuntimeError } from '@worker-runtime/core';
import type { HttpReply } from '../message/http-reply.ts';
import type { HttpRequest } from '../message/http-request.ts';
import { type ByteTotal, Transfer } from '../traffic/byte-total.ts';

/** The limit of the body of a request, by its name in the options or in `Limits`. */
interface Limit {
  readonly limit: string;
  readonly value: number;
}

const tooLarge = (limit: Limit): RuntimeError =>
  new RuntimeError('PAYLOAD_TOO_LARGE', undefined, { details: { ...limit } });

/** Returns the bytes that the body of a request may have; 0 if the request has no body. */
const announcedBytes = ({ headers }: HttpRequest, limit: number): number =>
  headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : limit;

const NO_BYTES = Buffer.alloc(0);

/**
 * Counts the bytes of all bodies, from their announcement until the request is answered. At the limit the clients are
 * disconnected that have been sending for the longest time; if there are none, further bodies get LIMIT_REACHED.
 */
export class BodyLimit {
  readonly #bodies: ByteTotal;
  readonly #bodyBytes: number;
  readonly #log: Logger;

  constructor(bodies: ByteTotal, bodyBytes: number, log: Logger) {
    this.#bodies = bodies;
    this.#bodyBytes = bodyBytes;
    this.#log = log;
  }

  /**
   * Counts the body of a request until `release`. Returns false if the request has none.
   * @throws PAYLOAD_TOO_LARGE · LIMIT_REACHED
   */
  admit(request: HttpRequest): boolean {
    const bytes = announcedBytes(request, this.#limitOf(request));
    if (bytes === 0) return false;
    if (bytes > this.#limitOf(request)) throw tooLarge(this.#named(request));
    if (!this.#bodies.hasRoom(bytes))
      throw new RuntimeError('LIMIT_REACHED', 'Too many requests with bodies are in progress', {
        details: { limit: 'totalBodyBytes', value: this.#bodies.limit },
      });
    const transfer = new Transfer(request.raw.socket, () =>
      this.#log.info({ correlationId: request.id }, 'disconnected a client that sends its body slowly'),
    );
    this.#bodies.hold(transfer, bytes);
    request.bodyTransfer = transfer;
    return true;
  }

  /**
   * Calls back once with the body, or with the error that refuses it. Most bodies have arrived with the head of their request, and are
   * read without a wait. Node reads what is left of a refused body and discards it, within the time limit of a request: a client
   * that sends all of its body before it reads the answer, as most do, would otherwise be disconnected and not learn the reason.
   */
  read(request: HttpRequest, reply: HttpReply, done: (error: unknown, bytes: Buffer) => void): void {
    const { raw } = request;
    const limit = this.#limitOf(request);
    reply.askForBody();
    const refused = (): void => {
      done(tooLarge(this.#named(request)), NO_BYTES);
    };
    const announced = Number(raw.headers['content-length']);
    if (announced > 0 && raw.readableLength === announced) {
      const bytes: Buffer = raw.read();
      // the end of the message is still to be read
      raw.resume();
      this.#arrived(request, announced);
      done(null, bytes);
      return;
    }
    const pieces: Buffer[] = [];
    let received = 0;
    const stop = (): void => {
      raw.off('data', take);
      raw.off('end', end);
      raw.off('error', fail);
    };
    const take = (piece: Buffer): void => {
      received += piece.length;
      pieces.push(piece);
      if (received <= limit) return;
      stop();
      refused();
    };
    const end = (): void => {
      stop();
      this.#arrived(request, received);
      done(null, Buffer.concat(pieces, received));
    };
    const fail = (cause: Error): void => {
      stop();
      done(
        new RuntimeError('INVALID_REQUEST', 'The body of the request is not complete', { cause }),
        NO_BYTES,
      );
    };
    raw.on('data', take);
    raw.on('end', end);
    raw.on('error', fail);
  }

  /** Counts the body no longer. */
  release({ bodyTransfer }: HttpRequest): void {
    if (bodyTransfer !== null) this.#bodies.release(bodyTransfer);
  }

  #arrived({ bodyTransfer }: HttpRequest, bytes: number): void {
    if (bodyTransfer === null) return;
    this.#bodies.settle(bodyTransfer);
    this.#bodies.resize(bodyTransfer, bytes);
  }

  /** The runtimes of a server may have different limits of a file. */
  #limitOf(request: HttpRequest): number {
    return request.route?.isFile ? request.served.limits.fileBytes : this.#bodyBytes;
  }

  #named(request: HttpRequest): Limit {
    return { limit: request.route?.isFile ? 'fileBytes' : 'bodyBytes', value: this.#limitOf(request) };
  }
}
