import type { ConversationItem } from '../log/conversation-item.ts';
import { textAt } from '../records/record-fields.ts';
import type { PodSnapshot } from '../wire/pod-event.ts';
import type { LinkEvent } from './link-event.ts';

/**
 * Converts the blocks in flight of a snapshot to the events that a new connection missed. A pod keeps the blocks of a
 * stream that broke off until it exits, so stale blocks are ignored: all blocks if the pod is not running, blocks
 * whose text is committed, and blocks up to an unfinished block that a finished block follows.
 */
export const missedText = (
  { status, inFlight }: PodSnapshot,
  committed: readonly ConversationItem[],
): readonly LinkEvent[] => {
  if (status !== 'running') return [];
  const texts = new Set(committed.flatMap((item) => (item.kind === 'message' ? [item.text] : [])));
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
