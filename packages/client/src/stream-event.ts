import type { Cursor } from '@worker-runtime/core';

/** The parameters of a stream. */
export interface StreamRequest {
  /** The id of a Worker. Null requests a watch of all Workers. */
  readonly worker: string | null;
  /** The cursor to start after. Undefined starts with the current state. */
  readonly after: Cursor | undefined;
  readonly deltas: boolean;
}

/** An event of a stream, in the form of a Server-Sent Event for every transport. */
export interface StreamEvent {
  /** The event name. `open` follows each accepted connection; `message` is an event of the log. */
  readonly event: string;
  readonly data: unknown;
  /** The cursor after this event, or null if it has none. */
  readonly id: Cursor | null;
}

/**
 * Opens a stream and reads it only as fast as its consumer does: events not yet requested stay in the runtime. The stream
 * finishes with a `closing` event, with an error, or when it ends. In the last case it may resume at once from the last
 * `id`.
 * @throws RUNTIME_UNREACHABLE the connection was lost, or silent for too long · VERSION_UNSUPPORTED · any refusal of the
 * runtime
 */
export type OpenStream = (request: StreamRequest, signal: AbortSignal) => AsyncGenerator<StreamEvent, void>;

/** Creates the event `open`, with the id of the runtime if it is known. */
export const openEvent = (runtimeId: string | null): StreamEvent => ({
  event: 'open',
  data: runtimeId,
  id: null,
});
