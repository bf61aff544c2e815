import type { Said } from '../log/said.ts';
import { textAt } from '../records/record-fields.ts';
import type { PodSnapshot } from '../wire/pod-event.ts';
import type { LinkEvent } from './pod-link.ts';

/**
 * The text that a pod is writing when one connects, as the events that were missed. A pod keeps blocks of streams
 * that broke off until it ends: they count only while it runs, where nothing committed has their text, and not where a
 * finished block follows one that never finished.
 */
export const missedText = (
  { status, inFlight }: PodSnapshot,
  committed: readonly Said[],
): readonly LinkEvent[] => {
  if (status !== 'running') return [];
  const texts = new Set(committed.flatMap((said) => (said.what === 'message' ? [said.text] : [])));
  const fresh = inFlight.filter(
    (block) => (block.kind === 'text' || block.kind === 'thinking') && !texts.has(textAt(block, 'text')),
  );
  const stale = fresh.findLastIndex(
    (block, at) => block.finished !== true && fresh.slice(at + 1).some(({ finished }) => finished === true),
  );
  return fresh.slice(stale + 1).flatMap((block): readonly LinkEvent[] => {
    const kind = block.kind === 'text' ? 'text' : 'thinking';
    const data = { text: textAt(block, 'text') };
    const delta: LinkEvent = { type: 'event', event: { event: `${kind}_delta`, data } };
    return block.finished === true
      ? [delta, { type: 'event', event: { event: `${kind}_done`, data } }]
      : [delta];
  });
};
