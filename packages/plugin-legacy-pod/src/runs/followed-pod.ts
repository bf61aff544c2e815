import type { Notice } from '@worker-runtime/core/plugin-kit';
import type { StreamPosition } from '../link/stream-position.ts';
import type { StreamTracker } from '../link/stream-tracker.ts';
import type { ConversationItem } from '../log/conversation-item.ts';
import type { OutputMapper } from '../log/output-mapper.ts';
import type { PodRedactor } from '../log/pod-redactor.ts';
import type { PodMethod } from '../wire/pod-method.ts';

/** The part of a pod's session that a run uses while it follows the pod. */
export interface FollowedPod {
  readonly redactor: PodRedactor;
  readonly mapper: OutputMapper;
  readonly model: string | null;
  /** The time that an idle pod may take to begin a requested run, in milliseconds. */
  readonly acceptMs: number;
  readonly tracker: StreamTracker;
  send(method: PodMethod): void;
  /** Returns the items that the pod committed since the last call. */
  sync(): Promise<readonly ConversationItem[]>;
  /** Puts back items that belong to a later run. The next `sync` begins with them. */
  putBack(items: readonly ConversationItem[]): void;
  /** Reports that a run broke off at this position, so that some of its streamed blocks are never committed. */
  alignStream(position: StreamPosition): void;
  /** Takes the notices about alerts that were not taken yet. */
  takeNotices(): readonly Notice[];
  /**
   * Answers the open requests of the run until `answered` has settled, because another client of the pod decided.
   */
  answerRequests(decision: string, answered: Promise<unknown>): void;
  /** Reports that the pod cannot be reached any more. Ends the execution. */
  lost(error: unknown): void;
}

/** The input of a requested run, as the pod will commit it. */
export interface RunRequest {
  readonly role: 'user' | 'system';
  readonly text: string;
}
