import type { IncomingMessage } from 'node:http';
import { RuntimeError } from '@worker-runtime/core';
import type { ServedRuntime } from '@worker-runtime/core/plugin-kit';
import { SUBPROTOCOL } from './hello.ts';

const subprotocolsIn = (header: string | undefined): readonly string[] =>
  (header ?? '').split(',').map((name) => name.trim());

/** True if the path is that of the stream of a runtime. */
export const isForStream = ({ url = '' }: IncomingMessage): boolean =>
  /^\/v1\/runtimes\/[A-Za-z0-9._-]{1,64}\/stream(?:\?|$)/.test(url);

/**
 * True if the client wants a WebSocket. Another wish, such as `Upgrade: h2c`, is none, unless the request has a key as
 * well: that is a handshake with an error.
 */
export const isHandshake = ({ headers }: IncomingMessage): boolean =>
  headers.upgrade?.trim().toLowerCase() === 'websocket' || headers['sec-websocket-key'] !== undefined;

/**
 * Checks that a request may be upgraded.
 * @throws RUNTIME_NOT_READY · RUNTIME_STOPPING · STORE_LOST · VERSION_UNSUPPORTED the client does not offer the subprotocol
 */
export const assertHandshake = ({ headers }: IncomingMessage, runtime: ServedRuntime): void => {
  if (runtime.failure) throw runtime.failure;
  if (runtime.status !== 'running') {
    throw new RuntimeError(runtime.status === 'starting' ? 'RUNTIME_NOT_READY' : 'RUNTIME_STOPPING');
  }
  if (!subprotocolsIn(headers['sec-websocket-protocol']).includes(SUBPROTOCOL)) {
    throw new RuntimeError('VERSION_UNSUPPORTED', `The client must offer the subprotocol ${SUBPROTOCOL}`, {
      details: { subprotocols: [SUBPROTOCOL] },
    });
  }
};
