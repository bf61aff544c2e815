import type { Notice } from '@worker-runtime/core';
import type { StreamMark, StreamPlace } from '../link/stream-place.ts';
import type { PodRedactor } from '../log/pod-redactor.ts';
import type { Said } from '../log/said.ts';
import type { Teller } from '../log/teller.ts';
import type { PodMethod } from '../wire/pod-method.ts';

/** What following a run needs of its session. */
export interface FollowedPod {
  readonly redactor: PodRedactor;
  readonly teller: Teller;
  readonly model: string | null;
  /** In which a pod that does nothing else takes what it is asked. */
  readonly acceptMs: number;
  send(method: PodMethod): void;
  /** How the stream stands to the log. */
  readonly place: StreamPlace;
  /** What the pod has committed since the last call. */
  sync(): Promise<readonly Said[]>;
  /** Gives back what belongs to a later run: the next `sync` begins with it. */
  putBack(said: readonly Said[]): void;
  /** A run broke off where so much had been streamed: not all of it was committed. */
  runBroke(at: StreamMark): void;
  /** Alerts that nobody was told of yet. */
  takeNotices(): readonly Notice[];
  /** The pod is gone for good. */
  lost(error: unknown): void;
}

/** What a run was asked, as the pod will commit it. */
export interface Asked {
  readonly role: 'user' | 'system';
  readonly text: string;
}
