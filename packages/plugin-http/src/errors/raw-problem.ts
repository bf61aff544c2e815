import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ErrorCode, RuntimeError } from '@worker-runtime/core';
import { challengeOf } from '../access/access.ts';
import { PROBLEM_TYPE, problemOf } from './problem.ts';

/** How long a peer has to take the answer and close. */
const LINGER_MS = 1_000;

/** Answers on the bare socket where no request came to be, and closes it. */
export const refuseSocket = (socket: Duplex, error: RuntimeError, correlationId: string): void => {
  const problem = problemOf(error, correlationId);
  const body = Buffer.from(JSON.stringify(problem));
  const challenge = challengeOf(error);
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${body.length}`,
    `x-request-id: ${correlationId}`,
    'cache-control: no-store',
    ...(challenge === null ? [] : [`www-authenticate: ${challenge}`]),
    'connection: close',
  ].join('\r\n');
  // nobody else listens to a socket that was taken from its server, and an error nobody listens to ends the process
  socket.on('error', () => socket.destroy());
  // closed at once, with bytes of the peer unread, the connection would be reset and the answer lost
  const linger = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(linger));
  socket.resume();
  socket.end(Buffer.concat([Buffer.from(`${head}\r\n\r\n`), body]));
};

const CODES: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
};

/** The typed form of what Node's parser gave up on. */
export const protocolError = (error: Error & { readonly code?: string }): RuntimeError => {
  const code = CODES[error.code ?? ''] ?? 'INVALID_REQUEST';
  const message = code === 'INVALID_REQUEST' ? 'This is not valid HTTP' : undefined;
  return new RuntimeError(code, message, { cause: error });
};
