import type { PodEvent, PodSnapshot } from '../wire/pod-event.ts';
import type { StreamPosition } from './stream-position.ts';

/** An event on the link to a pod: an event of the pod, or a change of the connection. */
export type LinkEvent =
  | {
      readonly type: 'event';
      readonly event: PodEvent;
      /** The position of the event in its stream. */
      readonly at?: StreamPosition;
    }
  /** The pod had cut the connection off, and the link was connected again. `snapshot` is the pod's present state. */
  | { readonly type: 'reconnected'; readonly snapshot: PodSnapshot }
  /** The pod cannot be reached any more. */
  | { readonly type: 'lost'; readonly error: unknown };
