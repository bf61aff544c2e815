import type { TranscriptItem } from '@worker-runtime/core';
import type { PodRedactor } from './pod-redactor.ts';
import type { Said } from './said.ts';

/** Enough to tell one text from another. */
const KEY_CHARS = 400;
/** Clocks of one machine, read by two processes. */
const SKEW_MS = 2_000;

const keyOf = (said: Said, redactor: PodRedactor): string | null => {
  switch (said.what) {
    case 'input':
      return `input ${redactor.text(said.text.slice(0, KEY_CHARS * 10)).slice(0, KEY_CHARS)}`;
    case 'message':
      return `${said.type} ${redactor.text(said.text.slice(0, KEY_CHARS * 10)).slice(0, KEY_CHARS)}`;
    case 'call':
    case 'result':
      return `${said.what} ${said.call}`;
    default:
      return null;
  }
};

const keysOf = (item: TranscriptItem, redactor: PodRedactor): readonly string[] =>
  item.parts.flatMap((part) => {
    switch (part.type) {
      case 'tool-call':
        return [`call ${part.call}`];
      case 'tool-result':
        return [`result ${part.call}`];
      case 'text':
      case 'reasoning': {
        const kind = item.role === 'assistant' ? part.type : 'input';
        return [`${kind} ${redactor.text(part.text.slice(0, KEY_CHARS * 10)).slice(0, KEY_CHARS)}`];
      }
      default:
        return [];
    }
  });

/** Runs that began without a person: their input stands in the log as a system item. */
const inputKeyOf = (said: Said, redactor: PodRedactor): string | null =>
  said.what === 'system' && said.item.kind === 'notification'
    ? keyOf({ ts: said.ts, what: 'input', text: said.item.message }, redactor)
    : null;

/**
 * How much of a pod's conversation the Worker's own log holds already: the index behind the last item that it has. The
 * log is the only memory of that, so what was committed to it is never said twice, whatever was killed in between.
 * An item cannot have been recorded before the pod wrote it, which tells equal texts apart.
 */
export const countRecorded = async (
  conversation: readonly Said[],
  history: AsyncIterable<TranscriptItem>,
  redactor: PodRedactor,
): Promise<number> => {
  const places = new Map<string, number[]>();
  for (const [at, said] of conversation.entries()) {
    const key = keyOf(said, redactor) ?? inputKeyOf(said, redactor);
    if (key === null) continue;
    const known = places.get(key);
    if (known) known.push(at);
    else places.set(key, [at]);
  }
  let count = 0;
  for await (const item of history) {
    const time = Date.parse(item.time) + SKEW_MS;
    for (const key of keysOf(item, redactor)) {
      const found = places.get(key)?.find((at) => at >= count && (conversation[at]?.ts ?? 0) <= time);
      if (found !== undefined) count = found + 1;
    }
  }
  // what says nothing of its own belongs to what stands before it
  if (count > 0) {
    while (count < conversation.length) {
      const next = conversation[count] as Said;
      if (next.what === 'begin' || keyOf(next, redactor) !== null || inputKeyOf(next, redactor) !== null)
        break;
      count += 1;
    }
  }
  return count;
};
