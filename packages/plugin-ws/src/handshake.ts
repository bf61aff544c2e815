import type { IncomingMessage } from 'node:http';
import { RuntimeError } from '@worker-runtime/core';
import type { ServedRuntime } from '@worker-runtime/core/plugin-kit';
import { SUBPROTOCOL } from './hello.ts';

/** Returns the runtime id in the path of a stream; null for any other path. */
const runtimeIdIn = (url: string): string | null =>
  /^\/v1\/runtimes\/([A-Za-z0-9_-]{1,64})\/stream(?:\?|$)/.exec(url)?.[1] ?? null;

const subprotocolsIn = (header: string | undefined): readonly string[] =>
  (header ?? '').split(',').map((name) => name.trim());

/** True if the path is that of the stream of a runtime. */
export const isForStream = ({ url = '' }: IncomingMessage): boolean => runtimeIdIn(url) !== null;

/**
 * True if the client wants a WebSocket. Another wish, such as `Upgrade: h2c`, is none, unless the request has a key as
 * well: that is a handshake with an error.
 */
export const isHandshake = ({ headers }: IncomingMessage): boolean =>
  headers.upgrade?.trim().toLowerCase() === 'websocket' || headers['sec-websocket-key'] !== undefined;

/**
 * Checks that a request may be upgraded.
 * @throws RUNTIME_NOT_READY · RUNTIME_STOPPING · STORE_LOST · RUNTIME_NOT_FOUND · VERSION_UNSUPPORTED the client does not offer the
 * subprotocol
 */
export const assertHandshake = ({ url = '', headers }: IncomingMessage, runtime: ServedRuntime): void => {
  if (runtime.failure) throw runtime.failure;
  if (runtime.status !== 'running') {
    throw new RuntimeError(runtime.status === 'starting' ? 'RUNTIME_NOT_READY' : 'RUNTIME_STOPPING');
  }
  const runtimeId = runtimeIdIn(url);
  if (runtimeId !== 'self' && runtimeId !== runtime.runtimeId) throw new RuntimeError('RUNTIME_NOT_FOUND');
  if (!subprotocolsIn(headers['sec-websocket-protocol']).includes(SUBPROTOCOL)) {
    throw new RuntimeError('VERSION_UNSUPPORTED', `The client must offer the subprotocol ${SUBPROTOCOL}`, {
      details: { subprotocols: [SUBPROTOCOL] },
    });
  }
};
