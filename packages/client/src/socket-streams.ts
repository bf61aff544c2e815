import { RemoteError } from './remote-error.ts';
import type { Sockets } from './socket-pool.ts';
import type { OpenStream, StreamAsk, StreamEvent } from './stream-event.ts';
import type { ObservingSocket } from './stream-socket.ts';

/** False where the socket was lost before the stream began. */
async function* begun(
  socket: ObservingSocket,
  ask: StreamAsk,
  signal: AbortSignal,
): AsyncGenerator<StreamEvent, boolean> {
  let hasBegun = false;
  try {
    for await (const event of socket.stream(ask, signal)) {
      hasBegun = true;
      yield event;
    }
    return true;
  } catch (error) {
    if (hasBegun || !(error instanceof RemoteError) || error.code !== 'RUNTIME_UNREACHABLE') throw error;
    return false;
  }
}

/**
 * Streams over sockets where there are any, else, and where one is lost before the stream began, over `otherwise`.
 * A runtime that came up between the two is asked for a socket once more: a browser has few connections for anything
 * else.
 */
export const socketStreams = (sockets: Sockets, otherwise: OpenStream): OpenStream =>
  async function* (ask, signal) {
    const socket = await sockets.take(ask.worker, signal);
    if (socket && (yield* begun(socket, ask, signal))) return;
    let late: ObservingSocket | null = null;
    for await (const event of otherwise(ask, signal)) {
      if (event.event === 'open' && socket === null && !sockets.areRefused) {
        late = await sockets.take(ask.worker, signal);
        if (late) break;
        // so it was not the runtime that could not be reached
        if (!signal.aborted) sockets.refused();
      }
      yield event;
    }
    if (late) yield* late.stream(ask, signal);
  };
