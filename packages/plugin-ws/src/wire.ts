import type {
  Cursor,
  Delta,
  ErrorCode,
  ErrorDetails,
  InFlightMessage,
  LogGap,
  WorkerDetail,
  WorkerEvent,
  WorkerSummary,
} from '@worker-runtime/core';

/** What a client says, one JSON text a message. Unknown fields are refused. */
export type ClientFrame =
  /** Begins to send what happens to one Worker. Without a position with a snapshot, `"start"` from the first event. */
  | {
      readonly op: 'subscribe';
      readonly worker: string;
      readonly after?: Cursor | null;
      /** Whether to send text while it is written. Default true. */
      readonly deltas?: boolean;
      /** Whether to say the position behind each event, and not only behind the last of a frame. Default false. */
      readonly cursors?: boolean;
    }
  | { readonly op: 'unsubscribe'; readonly worker: string }
  /** Begins to send all Workers: as they are, then as they change. */
  | { readonly op: 'watch'; readonly after?: Cursor | null }
  | { readonly op: 'unwatch' };

/** What a client may rely on and has to keep to. */
export interface WireLimits {
  /** The longest message of a client; longer ones close with 1009. */
  readonly messageBytes: number;
  /** Messages that are not understood before the socket is closed with 1008. */
  readonly badMessages: number;
  /** Workers and watch that one socket observes; LIMIT_REACHED. */
  readonly subscriptions: number;
  readonly pingMs: number;
  readonly bookmarkMs: number;
  readonly stallMs: number;
}

/** What went wrong, in the words that HTTP uses too. */
export interface WireProblem {
  readonly code: ErrorCode;
  readonly title: string;
  readonly detail: string;
  readonly retryable: boolean;
  readonly details: ErrorDetails;
  /** Finds the full story in the operator's log. */
  readonly correlationId: string;
}

/** What the server says of one Worker; `worker` is its id. */
type WorkerFrame =
  /** The first frame of a subscription. */
  | { readonly type: 'subscribed'; readonly worker: string }
  | {
      readonly type: 'snapshot';
      readonly worker: string;
      readonly detail: WorkerDetail;
      readonly asOf: Cursor;
    }
  /** Stored events in order; `cursor` is the position behind the last of them, `cursors` that behind each. */
  | {
      readonly type: 'events';
      readonly worker: string;
      readonly cursor: Cursor;
      readonly cursors?: readonly Cursor[];
      readonly items: readonly WorkerEvent[];
    }
  /** The text so far of messages that are being written: replaces what was shown of them. */
  | { readonly type: 'in-flight'; readonly worker: string; readonly messages: readonly InFlightMessage[] }
  | ({ readonly type: 'delta'; readonly worker: string } & Delta)
  /** What a damaged log lacks. */
  | ({ readonly type: 'gap'; readonly worker: string } & LogGap)
  /** The last frame after `unsubscribe`, also where nothing was subscribed. */
  | { readonly type: 'unsubscribed'; readonly worker: string };

/** What the server says of all Workers. */
type WatchFrame =
  /** The first frame of the watch. */
  | { readonly type: 'watching' }
  | { readonly type: 'reset' }
  | { readonly type: 'worker'; readonly summary: WorkerSummary }
  | { readonly type: 'worker-removed'; readonly workerId: string }
  | { readonly type: 'synced'; readonly cursor: Cursor }
  | { readonly type: 'unwatched' };

/** What the server says, one JSON text a message. Frames of the watch name no Worker. */
export type ServerFrame =
  | {
      readonly type: 'hello';
      readonly runtimeId: string;
      readonly protocol: number;
      readonly versions: { readonly runtime: string };
      readonly limits: WireLimits;
    }
  | WorkerFrame
  | WatchFrame
  /** The position of a subscription that was quiet for a while; of the watch where no Worker is named. */
  | { readonly type: 'bookmark'; readonly worker?: string; readonly cursor: Cursor }
  /** A subscription is over; the socket stays. */
  | {
      readonly type: 'ended';
      readonly worker?: string;
      readonly code: ErrorCode;
      readonly correlationId?: string;
    }
  /** A message was refused. With `worker` or `watch`, that subscription did not begin. */
  | ({ readonly type: 'error'; readonly worker?: string; readonly watch?: true } & WireProblem)
  /** The last frame. */
  | { readonly type: 'closing'; readonly reason: ErrorCode };
