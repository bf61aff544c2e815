import test from 'ava';
import { START, StreamPlace } from '../src/link/stream-place.ts';
import type { Said } from '../src/log/said.ts';

const message: Said = { ts: 1, what: 'message', type: 'text', text: 'hello' };
const event = (name: string) => ({ type: 'event', event: { event: name, data: { text: 'hello' } } }) as const;

const markOf = (place: StreamPlace, name: string) => {
  const stamped = place.stamp(event(name));
  return (stamped.type === 'event' && stamped.at) || START;
};

test('P5: text is late once its message was read, and the next block is not', (t) => {
  const place = new StreamPlace();
  const first = markOf(place, 'text_delta');
  t.false(place.isLate('text', first));
  place.read([message]);
  t.true(place.isLate('text', first));
  markOf(place, 'text_done');
  t.false(place.isLate('text', markOf(place, 'text_delta')));
});

test('P5: what a stream that was cut had told is late, whatever the next one began with', (t) => {
  const place = new StreamPlace();
  const before = markOf(place, 'text_delta');
  // while it was away, the message was committed: the snapshot has it, and it is read later
  place.restart({ text: 1, reasoning: 0 });
  place.read([message]);
  t.true(place.isLate('text', before));
  t.false(place.isLate('text', markOf(place, 'text_delta')));
});
