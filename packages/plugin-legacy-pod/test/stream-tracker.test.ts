import test from 'ava';
import { START } from '../src/link/stream-position.ts';
import { StreamTracker } from '../src/link/stream-tracker.ts';
import type { ConversationItem } from '../src/log/conversation-item.ts';

const message: ConversationItem = { ts: 1, kind: 'message', type: 'text', text: 'hello' };
const event = (name: string) => ({ type: 'event', event: { event: name, data: { text: 'hello' } } }) as const;

const positionOf = (tracker: StreamTracker, name: string) => {
  const stamped = tracker.stamp(event(name));
  return (stamped.type === 'event' && stamped.at) || START;
};

test('P5: a text block is late once its message was read from the log, and the next block is not', (t) => {
  const tracker = new StreamTracker();
  const first = positionOf(tracker, 'text_delta');
  t.false(tracker.isLate('text', first));
  tracker.countRead([message]);
  t.true(tracker.isLate('text', first));
  positionOf(tracker, 'text_done');
  t.false(tracker.isLate('text', positionOf(tracker, 'text_delta')));
});

test('P5: the blocks of an earlier stream are late, and the blocks of the next stream are not', (t) => {
  const tracker = new StreamTracker();
  const before = positionOf(tracker, 'text_delta');
  // The message was committed while the link was down: the new snapshot has it, and it is read later.
  tracker.restart({ text: 1, reasoning: 0 });
  tracker.countRead([message]);
  t.true(tracker.isLate('text', before));
  t.false(tracker.isLate('text', positionOf(tracker, 'text_delta')));
});
