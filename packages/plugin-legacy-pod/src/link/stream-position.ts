import { type MessageCounts, NO_MESSAGES } from '../log/message-counts.ts';

/** A position in the stream of a pod: how many blocks of text had ended there. */
export interface StreamPosition extends MessageCounts {
  /** The number of the stream. Each connection to a pod is a stream of its own. */
  readonly stream: number;
}

export const START: StreamPosition = { ...NO_MESSAGES, stream: 0 };
