import type { JsonObject } from '@worker-runtime/core';
import { objectAt, objectsAt, parseObject, textAt } from '../records/record-fields.ts';

export type PodStatus = 'idle' | 'running' | 'paused';

/** The state of a pod that it sends at the beginning of each connection. */
export interface PodSnapshot {
  /** The records of the present segment. */
  readonly entries: readonly JsonObject[];
  readonly status: PodStatus;
  readonly model: string | null;
  /** The blocks of text that the model is writing. */
  readonly inFlight: readonly JsonObject[];
}

/** A line that a pod sent: the name of the event and its data. The data is empty if the event has none. */
export interface PodEvent {
  readonly event: string;
  readonly data: JsonObject;
}

/** Parses a line. Returns null if it is not an event. */
export const podEvent = (line: string): PodEvent | null => {
  const raw = parseObject(line);
  return raw && typeof raw.event === 'string'
    ? { event: raw.event, data: objectAt(raw, 'data') ?? {} }
    : null;
};

export const podStatus = (data: JsonObject): PodStatus => {
  const status = textAt(data, 'status');
  return status === 'running' || status === 'paused' ? status : 'idle';
};

export const podSnapshot = (data: JsonObject): PodSnapshot => ({
  entries: objectsAt(data, 'entries'),
  status: podStatus(data),
  model: textAt(objectAt(data, 'greeting') ?? {}, 'model') || null,
  inFlight: objectsAt(objectAt(data, 'in_flight') ?? {}, 'blocks'),
});
