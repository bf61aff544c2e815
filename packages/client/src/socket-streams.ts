import { RemoteError } from './remote-error.ts';
import type { SocketPool } from './socket-pool.ts';
import type { OpenStream, StreamEvent, StreamRequest } from './stream-event.ts';
import type { StreamSocket } from './stream-socket.ts';

/** Reads a stream from a socket. Returns false if the connection was lost before the stream began. */
async function* readFrom(
  socket: StreamSocket,
  request: StreamRequest,
  signal: AbortSignal,
): AsyncGenerator<StreamEvent, boolean> {
  let hasBegun = false;
  try {
    for await (const event of socket.stream(request, signal)) {
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
 * Opens streams over a socket if possible, and over `fallback` otherwise, or if the socket is lost before the stream
 * begins. If the fallback succeeds where the socket did not, the runtime may have started in between: a socket is then
 * tried once more, because a browser has few other connections.
 */
export const socketStreams = (pool: SocketPool, fallback: OpenStream): OpenStream =>
  async function* (request, signal) {
    const socket = await pool.take(request.worker, signal);
    if (socket && (yield* readFrom(socket, request, signal))) return;
    let secondSocket: StreamSocket | null = null;
    for await (const event of fallback(request, signal)) {
      if (event.event === 'open' && socket === null && !pool.isSuspended) {
        secondSocket = await pool.take(request.worker, signal);
        if (secondSocket) break;
        // the runtime answers, so it is the upgrade that fails
        if (!signal.aborted) pool.suspend();
      }
      yield event;
    }
    if (secondSocket) yield* secondSocket.stream(request, signal);
  };
