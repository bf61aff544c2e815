import type { Cursor } from './cursor.ts';
import type { WorkerEvent } from './event.ts';
import type { OpenRequest } from './open-request.ts';
import type { ErrorCode } from './runtime-error.ts';
import type { LogGap } from './store.ts';
import type { WorkerDetail, WorkerSummary } from './worker.ts';

/** The text of a message that is still being written. Its `message.completed` event replaces it. */
export interface InFlightMessage {
  readonly run: string;
  readonly message: string;
  readonly parts: readonly {
    readonly id: string;
    readonly type: 'text' | 'reasoning';
    readonly text: string;
  }[];
}

/**
 * New characters of one part of a message that is being written. `offset` is the number of UTF-16 units before them.
 */
export interface Delta {
  readonly run: string;
  readonly message: string;
  readonly part: string;
  readonly partType: 'text' | 'reasoning';
  readonly offset: number;
  readonly text: string;
}

/** One item of the stream of a Worker. */
export type Observation =
  /** `requests` are those that are open at this position. */
  | {
      readonly type: 'snapshot';
      readonly worker: WorkerDetail;
      readonly requests: readonly OpenRequest[];
      readonly asOf: Cursor;
    }
  | { readonly type: 'event'; readonly event: WorkerEvent; readonly cursor: Cursor }
  | { readonly type: 'in-flight'; readonly messages: readonly InFlightMessage[] }
  | ({ readonly type: 'delta' } & Delta)
  | ({ readonly type: 'gap' } & LogGap)
  /**
   * The last item: WORKER_NOT_FOUND after a deletion, CURSOR_EXPIRED if the events that follow are in an archive by now, RUNTIME_STOPPING when
   * the runtime stops, RUNTIME_MOVED when another process continues, STORE_LOST after its end.
   */
  | { readonly type: 'ended'; readonly code: ErrorCode };

export interface ObserveOptions {
  /**
   * Continues after this position, which may be a number such as `@123`; `"start"` delivers the whole log. Without it, the
   * stream begins with a snapshot.
   */
  readonly after?: Cursor;
  /** Delivers text while it is written. Default true. */
  readonly deltas?: boolean;
  /** Ends the stream when it is aborted. */
  readonly signal?: AbortSignal;
}

/** One item of the watch over all Workers. */
export type WatchItem =
  /** Earlier items are obsolete: discard all known Workers. The current ones follow. */
  | { readonly type: 'reset' }
  | { readonly type: 'worker'; readonly worker: WorkerSummary }
  | { readonly type: 'worker-removed'; readonly workerId: string }
  /**
   * All current Workers were delivered; changes follow as they happen, each followed by `synced` with a newer cursor.
   */
  | { readonly type: 'synced'; readonly cursor: Cursor }
  /** The last item: RUNTIME_STOPPING, RUNTIME_MOVED or STORE_LOST. */
  | { readonly type: 'ended'; readonly code: ErrorCode };

export interface WatchOptions {
  /** Continues after this position. If the runtime no longer has it, the watch begins with `reset`. */
  readonly after?: Cursor;
  /** Ends the watch when it is aborted. */
  readonly signal?: AbortSignal;
}
