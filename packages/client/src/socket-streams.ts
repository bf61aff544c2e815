import { RemoteError } from './remote-error.ts';
import type { Sockets } from './sockets.ts';
import type { OpenStream } from './stream-event.ts';

/** Streams over sockets where there are any, else, and where one is lost before the stream began, over `otherwise`. */
export const socketStreams = (sockets: Sockets, otherwise: OpenStream): OpenStream =>
  async function* (ask, signal) {
    const socket = await sockets.take(ask.worker, signal);
    let hasBegun = false;
    try {
      for await (const event of socket?.stream(ask, signal) ?? []) {
        hasBegun = true;
        yield event;
      }
      if (socket) return;
    } catch (error) {
      if (hasBegun || !(error instanceof RemoteError) || error.code !== 'RUNTIME_UNREACHABLE') throw error;
    }
    for await (const event of otherwise(ask, signal)) {
      // so it was not the runtime that could not be reached
      if (event.event === 'open' && socket === null) sockets.refused();
      yield event;
    }
  };
