import type {
  Cursor,
  Delta,
  ErrorCode,
  ErrorDetails,
  InFlightMessage,
  LogGap,
  OpenRequest,
  WorkerDetail,
  WorkerEvent,
  WorkerSummary,
} from '@worker-runtime/core';

/** A message of a client, as JSON text. Unknown fields are refused. */
export type ClientFrame =
  /**
   * Subscribes to one Worker. `after` is a cursor, or `"start"` for the first event; without it the subscription begins
   * with a snapshot.
   */
  | {
      readonly op: 'subscribe';
      readonly worker: string;
      readonly after?: Cursor | null;
      /** Sends the text of messages in progress. Default true. */
      readonly deltas?: boolean;
      /** Sends the position after each event, not only after the last one of a frame. Default false. */
      readonly cursors?: boolean;
    }
  | { readonly op: 'unsubscribe'; readonly worker: string }
  /** Subscribes to all Workers: their current state, then every change. */
  | {
      readonly op: 'watch';
      readonly after?: Cursor | null;
      /** Sends several Workers in one frame `workers`. Only for a server whose `hello` has `limits.batchBytes`. Default false. */
      readonly batch?: boolean;
    }
  | { readonly op: 'unwatch' };

/** The limits of a socket. */
export interface WireLimits {
  /** The longest message of a client, in bytes; a longer one closes the socket with 1009. */
  readonly messageBytes: number;
  /** The number of invalid messages after which the socket is closed with 1008. */
  readonly badMessages: number;
  /** The most subscriptions of one socket, the watch included; else LIMIT_REACHED. */
  readonly subscriptions: number;
  /** The time between pings of the server. */
  readonly pingMs: number;
  /** The time without output after which a subscription sends `bookmark`. */
  readonly bookmarkMs: number;
  /** The longest time that a client may leave a write unread. */
  readonly stallMs: number;
  /** The most bytes of a frame `workers`, unless one Worker is longer. Absent from a server that does not know the frame. */
  readonly batchBytes?: number;
}

/** The public part of an error, with the same fields as over HTTP. */
export interface WireProblem {
  readonly code: ErrorCode;
  readonly title: string;
  readonly detail: string;
  readonly retryable: boolean;
  readonly details: ErrorDetails;
  /** The id of the error in the operator's log, which has the cause. */
  readonly correlationId: string;
}

/** A frame of a Worker's subscription; `worker` is its id. */
type WorkerFrame =
  /** The first frame of a subscription. */
  | { readonly type: 'subscribed'; readonly worker: string }
  | {
      readonly type: 'snapshot';
      readonly worker: string;
      readonly detail: WorkerDetail;
      /** The open requests. Absent from a runtime of an earlier version. */
      readonly requests?: readonly OpenRequest[];
      readonly asOf: Cursor;
    }
  /** Stored events in order. `cursor` is the position after the last one, `cursors` are the positions after each. */
  | {
      readonly type: 'events';
      readonly worker: string;
      readonly cursor: Cursor;
      readonly cursors?: readonly Cursor[];
      readonly items: readonly WorkerEvent[];
    }
  /** The text so far of messages in progress. It replaces all earlier text of them. */
  | { readonly type: 'in-flight'; readonly worker: string; readonly messages: readonly InFlightMessage[] }
  | ({ readonly type: 'delta'; readonly worker: string } & Delta)
  /** A part of a damaged log that reading had to skip. */
  | ({ readonly type: 'gap'; readonly worker: string } & LogGap)
  /** The answer to `unsubscribe`, even without a subscription. No frame of the Worker follows. */
  | { readonly type: 'unsubscribed'; readonly worker: string };

/** A frame of the watch. */
type WatchFrame =
  /** The first frame of the watch. */
  | { readonly type: 'watching' }
  /** The position is from before a restart: discard all Workers. */
  | { readonly type: 'reset' }
  | { readonly type: 'worker'; readonly summary: WorkerSummary }
  /** Several Workers in the order of their changes, if the watch has `batch`. It replaces the frames `worker`. */
  | { readonly type: 'workers'; readonly summaries: readonly WorkerSummary[] }
  | { readonly type: 'worker-removed'; readonly workerId: string }
  /** All Workers up to this position were sent. */
  | { readonly type: 'synced'; readonly cursor: Cursor }
  | { readonly type: 'unwatched' };

/** A message of the server, as JSON text. Frames of the watch have no `worker`. */
export type ServerFrame =
  /** The first frame. */
  | {
      readonly type: 'hello';
      readonly runtimeId: string;
      readonly protocol: number;
      readonly versions: { readonly runtime: string };
      readonly limits: WireLimits;
    }
  | WorkerFrame
  | WatchFrame
  /** The position of a quiet subscription; without `worker` that of the watch. */
  | { readonly type: 'bookmark'; readonly worker?: string; readonly cursor: Cursor }
  /** A subscription has ended; the socket stays open. */
  | {
      readonly type: 'ended';
      readonly worker?: string;
      readonly code: ErrorCode;
      readonly correlationId?: string;
    }
  /** A message was refused. `worker` or `watch` names the subscription that did not begin. */
  | ({ readonly type: 'error'; readonly worker?: string; readonly watch?: true } & WireProblem)
  /** The last frame. */
  | { readonly type: 'closing'; readonly reason: ErrorCode };
