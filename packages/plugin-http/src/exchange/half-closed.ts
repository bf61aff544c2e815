import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Turns } from '../traffic/turns.ts';
import { JSON_TYPE } from '../wire/accept.ts';

/** The time after which the reset of a client that has left has arrived. */
const RESET_MS = 1_000;

/**
 * Notices soon if the client has left: the system of one that has left answers the first `100 Continue` with a reset, and Node notices
 * that at the second one. Every client skips both; some take no more than a few.
 */
const probe = (response: ServerResponse): void => {
  const ask = (): void => {
    if (!response.headersSent) response.writeContinue();
  };
  ask();
  const again = setTimeout(ask, RESET_MS).unref();
  response.once('close', () => clearTimeout(again));
};

/** True for an answer that may end only with its client: its length is not known, and it is not one value of JSON. */
const isStream = (response: ServerResponse): boolean =>
  response.chunkedEncoding && !String(response.getHeader('content-type')).startsWith(JSON_TYPE);

/**
 * Lets clients close their sending side after their requests: the answers in progress are still sent. A client that has left looks the
 * same, so it is probed before the head of its answer. A stream that has begun ends instead, because nothing can be put into its
 * bytes. The headers of a chunked answer must be set before its head is written, or this function does not see them.
 */
export const answerHalfClosed = (server: Server, turns: Turns): void => {
  // Node has this option, and does not document it: by default it ends a connection together with its sending side
  Object.assign(server, { httpAllowHalfOpen: true });
  server.on('connection', (socket: Socket) => {
    socket.on('end', () => {
      const response = turns.responseOf(socket);
      if (response === null) return;
      // HTTP/1.0 has no `100 Continue`
      if (!response.headersSent) return void (response.req.httpVersionMinor > 0 && probe(response));
      if (isStream(response)) socket.end();
    });
  });
};
