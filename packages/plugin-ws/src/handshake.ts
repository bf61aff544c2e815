import type { IncomingMessage } from 'node:http';
import { RuntimeError, type ServedRuntime } from '@worker-runtime/core';
import { SUBPROTOCOL } from './hello.ts';

/** The runtime that a path asks the stream of; null where it is no such path. */
const runtimeIn = (url: string): string | null =>
  /^\/v1\/runtimes\/([A-Za-z0-9_-]{1,64})\/stream(?:\?|$)/.exec(url)?.[1] ?? null;

const offered = (header: string | undefined): readonly string[] =>
  (header ?? '').split(',').map((name) => name.trim());

/** Whether a request asks for the stream of a runtime at all. */
export const isForStream = ({ url = '' }: IncomingMessage): boolean => runtimeIn(url) !== null;

/**
 * On return the request may be upgraded.
 * @throws RUNTIME_NOT_READY · RUNTIME_STOPPING · RUNTIME_NOT_FOUND · VERSION_UNSUPPORTED none of the subprotocols is ours
 */
export const assertHandshake = ({ url = '', headers }: IncomingMessage, runtime: ServedRuntime): void => {
  if (runtime.status !== 'running') {
    throw new RuntimeError(runtime.status === 'starting' ? 'RUNTIME_NOT_READY' : 'RUNTIME_STOPPING');
  }
  const asked = runtimeIn(url);
  if (asked !== 'self' && asked !== runtime.runtimeId) throw new RuntimeError('RUNTIME_NOT_FOUND');
  if (!offered(headers['sec-websocket-protocol']).includes(SUBPROTOCOL)) {
    throw new RuntimeError('VERSION_UNSUPPORTED', `The subprotocol ${SUBPROTOCOL} must be offered`, {
      details: { subprotocols: [SUBPROTOCOL] },
    });
  }
};
