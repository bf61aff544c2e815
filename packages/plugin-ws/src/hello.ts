import { version } from '@worker-runtime/core';
import type { ServedRuntime } from '@worker-runtime/core/plugin-kit';
import type { ResolvedLimits } from './options.ts';
import { BATCH_BYTES } from './watch-subscription.ts';
import type { ServerFrame } from './wire.ts';

/** The subprotocol that a client has to offer. */
export const SUBPROTOCOL = 'worker-runtime.v1';

/** The version in the name of the subprotocol. */
const PROTOCOL = 1;

/** The number of invalid messages after which the socket is closed. */
export const BAD_MESSAGES = 3;

/** Returns the first frame of every socket. */
export const helloOf = ({ runtimeId }: ServedRuntime, limits: ResolvedLimits): ServerFrame => {
  const { messageBytes, subscriptions, pingMs, bookmarkMs, stallMs } = limits;
  return {
    type: 'hello',
    runtimeId,
    protocol: PROTOCOL,
    versions: { runtime: version },
    limits: {
      messageBytes,
      badMessages: BAD_MESSAGES,
      subscriptions,
      pingMs,
      bookmarkMs,
      stallMs,
      batchBytes: BATCH_BYTES,
    },
  };
};
