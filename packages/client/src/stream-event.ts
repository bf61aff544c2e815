import type { Cursor } from '@worker-runtime/core';

/** What a stream is asked for. */
export interface StreamAsk {
  /** The id of a Worker; null asks for all of them, as they are and as they change. */
  readonly worker: string | null;
  /** Where to begin; undefined begins with how it is now. */
  readonly after: Cursor | undefined;
  readonly deltas: boolean;
}

/** One thing that a stream says, in the words of Server-Sent Events, over whatever it came. */
export interface StreamEvent {
  /** `open` comes once a runtime has taken the stream, first or again; `message` is an event of the log. */
  readonly event: string;
  readonly data: unknown;
  /** The position after it, if it has one. */
  readonly id: Cursor | null;
}

/**
 * Opens a stream, to be read only as fast as it is used: what is not asked for is held back in the runtime. It is over
 * with a `closing`, with what it throws, or by its end; then it may go on at once from the last `id`.
 * @throws RUNTIME_UNREACHABLE cut off, or silent for too long · VERSION_UNSUPPORTED · what the runtime refuses with
 */
export type OpenStream = (ask: StreamAsk, signal: AbortSignal) => AsyncGenerator<StreamEvent, void>;

/** With the id of the runtime, where that is known. */
export const opened = (runtimeId: string | null): StreamEvent => ({
  event: 'open',
  data: runtimeId,
  id: null,
});
