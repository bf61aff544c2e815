import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ErrorCode, RuntimeError } from '@worker-runtime/core';
import { allowOf, PROBLEM_TYPE } from '@worker-runtime/core/plugin-kit';
import { challengeOf } from '../access/access.ts';
import { correlatedProblem } from './problem.ts';

/** The time that a peer has to read the answer and close. */
const LINGER_MS = 1_000;

/** Writes an error answer to a socket that has no HTTP response object, and closes the socket. */
export const refuseSocket = (socket: Duplex, error: RuntimeError, correlationId: string): void => {
  const problem = correlatedProblem(error, correlationId);
  const body = Buffer.from(JSON.stringify(problem));
  const challenge = challengeOf(error);
  const { allow } = allowOf(error);
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${body.length}`,
    // a peer whose signed token is refused compares the clocks
    `date: ${new Date().toUTCString()}`,
    `x-request-id: ${correlationId}`,
    'cache-control: no-store',
    ...(challenge === null ? [] : [`www-authenticate: ${challenge}`]),
    ...(allow === undefined ? [] : [`allow: ${allow}`]),
    'connection: close',
  ].join('\r\n');
  // the server no longer listens to this socket, and an unhandled 'error' event would end the process
  socket.on('error', () => socket.destroy());
  // to close at once, with unread bytes of the peer, would reset the connection and lose the answer
  const linger = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(linger));
  socket.resume();
  socket.end(Buffer.concat([Buffer.from(`${head}\r\n\r\n`), body]));
};

const CODES: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
};

/** Converts an error of Node's HTTP parser to a RuntimeError. */
export const protocolError = (error: Error & { readonly code?: string }): RuntimeError => {
  const code = CODES[error.code ?? ''] ?? 'INVALID_REQUEST';
  const message = code === 'INVALID_REQUEST' ? 'The request is not valid HTTP' : undefined;
  return new RuntimeError(code, message, { cause: error });
};
