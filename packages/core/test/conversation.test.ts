import test from 'ava';
import type { Observation } from '../src/contracts/observation.ts';
import { Conversation, type TextPiece } from '../src/views/conversation.ts';
import { settle, startRig } from './fixtures/rig.ts';

const textOf = (pieces: readonly TextPiece[]): string => pieces.map(({ text }) => text).join('');

/** The text of a transcript's assistant messages, in order. */
const messagesOf = (conversation: Conversation): string =>
  conversation.items
    .filter(({ role }) => role === 'assistant')
    .flatMap(({ parts }) => parts.map((part) => ('text' in part ? part.text : '')))
    .join('');

test('P53: each character is returned once, with deltas, without them, and after reconnects at any moment', async (t) => {
  const { runtime, puppet } = await startRig(t);
  await runtime.createWorker({ engine: 'puppet', workerId: 'w' });
  const answers = ['Hello ', 'w\u00f6rld, ', '\ud83d', '\ude00 and ', 'the end'];

  /** Follows the Worker, and reconnects after every `every` observations. */
  const follow = async (
    every: number,
    deltas: boolean,
  ): Promise<{ shown: string; conversation: Conversation }> => {
    const conversation = await Conversation.load(runtime, 'w');
    let shown = '';
    for (let isOver = false; !isOver; ) {
      let count = 0;
      for await (const item of runtime.observe('w', { after: conversation.cursor ?? 'start', deltas })) {
        const pieces = conversation.apply(item);
        t.false(pieces.some(({ isReplacement }) => isReplacement));
        shown += textOf(pieces);
        isOver = item.type === 'event' && item.event.type === 'run.finished';
        count += 1;
        if (isOver || count === every) break;
      }
      // a stream begins with the text in flight, so without a pause the follower would never let the run continue
      await settle(1);
    }
    return { shown, conversation };
  };
  const followers = [1, 2, 3, 1_000].flatMap((every) =>
    [true, false].filter((deltas) => deltas || every > 1).map((deltas) => follow(every, deltas)),
  );
  await settle();
  await runtime.sendInput('w', { text: 'go' });
  await settle();
  for (const text of answers) {
    puppet.last('w').yield({ type: 'text', text });
    await settle();
  }
  puppet.last('w').yield({ type: 'message' }).yield({ type: 'reasoning', text: 'hm' }).finish();
  for (const { shown, conversation } of await Promise.all(followers)) {
    t.is(shown, `${answers.join('')}hm`);
    t.is(messagesOf(conversation), shown);
    t.deepEqual(conversation.writing, []);
    t.is(conversation.status, 'idle');
  }
});

test('P53: a conversation that was followed equals one that is loaded at the end', async (t) => {
  const { runtime, puppet } = await startRig(t);
  await runtime.createWorker({ engine: 'puppet', workerId: 'w' });
  const followed = new Conversation();
  const statuses: (string | null)[] = [];
  const following = (async () => {
    for await (const item of runtime.observe('w', { after: 'start' })) {
      followed.apply(item);
      if (statuses.at(-1) !== followed.status) statuses.push(followed.status);
      if (item.type === 'event' && item.event.type === 'worker.stopped') return;
    }
  })();
  await runtime.sendInput('w', { text: 'one' });
  await runtime.sendInput('w', { text: 'two', whenBusy: 'queue' });
  await settle();
  const first = puppet.last('w');
  first.yield({ type: 'tool-call', call: 'c', name: 'read', input: {} });
  await settle();
  const asked = first.run.ask({ kind: 'permission', prompt: 'May I?', call: 'c', options: ['yes', 'no'] });
  await settle();
  const half = await Conversation.load(runtime, 'w');
  t.is(half.status, 'waiting');
  t.deepEqual(half.requests, followed.requests);
  t.is(half.run, followed.run);
  await runtime.respond('w', half.requests[0]?.requestId ?? '', { decision: 'yes' });
  await asked;
  first.yield({ type: 'tool-result', call: 'c', output: 'text' }).say('done').finish();
  await settle();
  await runtime.stopWorker('w');
  await following;
  const loaded = await Conversation.load(runtime, 'w');
  t.deepEqual(followed.items, loaded.items);
  t.deepEqual(followed.requests, []);
  t.is(followed.status, 'stopped');
  t.is(loaded.status, 'stopped');
  t.deepEqual(statuses, [null, 'running', 'waiting', 'running', 'idle', 'running', 'idle', 'stopped']);
});

test('text that replaces what was shown says so, and a gap in the deltas waits for the message', (t) => {
  const conversation = new Conversation();
  const delta = (offset: number, text: string): Observation => ({
    type: 'delta',
    run: 'r',
    message: 'm',
    part: 'p',
    partType: 'text',
    offset,
    text,
  });
  t.is(textOf(conversation.apply(delta(0, 'abc'))), 'abc');
  t.is(textOf(conversation.apply(delta(3, '\ud83d'))), '', 'half of a character is held back');
  t.is(textOf(conversation.apply(delta(4, '\ude00'))), '\ud83d\ude00');
  t.deepEqual(conversation.apply(delta(9, 'later')), []);
  const message = (text: string): Observation => ({
    type: 'event',
    cursor: 'c',
    event: {
      seq: 1,
      time: '2026-01-01T00:00:00.000Z',
      worker: 'w',
      run: 'r',
      type: 'message.completed',
      data: { message: 'm', role: 'assistant', parts: [{ id: 'p', type: 'text', text }] },
    },
  });
  const [piece] = conversation.apply(message('xyz'));
  t.deepEqual([piece?.text, piece?.isReplacement], ['xyz', true]);
  t.is(conversation.items.length, 1);
});

test('a conversation shows files, also the ones of earlier versions, which have a URL', (t) => {
  const conversation = new Conversation();
  const digest = `sha256-${'0'.repeat(64)}`;
  const parts = [
    { id: 'a', type: 'file', digest, mediaType: 'image/png', sizeBytes: 7 },
    { id: 'b', type: 'file', mediaType: 'text/plain', url: 'https://example.com/x', name: 'x' },
  ] as const;
  const time = '2026-01-01T00:00:00.000Z';
  const data = { message: 'm', role: 'assistant', parts } as const;
  const event = { seq: 1, time, worker: 'w', run: 'r', type: 'message.completed', data } as const;
  t.deepEqual(conversation.apply({ type: 'event', cursor: 'c', event }), []);
  t.deepEqual(conversation.items[0]?.parts, parts);
});

test('a conversation keeps a bounded number of items', (t) => {
  const conversation = new Conversation({ keptItems: 10 });
  for (let seq = 1; seq <= 100; seq += 1)
    conversation.apply({
      type: 'event',
      cursor: `c${seq}`,
      event: {
        seq,
        time: '2026-01-01T00:00:00.000Z',
        worker: 'w',
        run: `r${seq}`,
        type: 'input.accepted',
        data: { input: `i${seq}`, role: 'user', parts: [{ type: 'text', text: 'x' }], queued: false },
      },
    });
  t.true(conversation.items.length >= 10 && conversation.items.length <= 15);
  t.is(conversation.items.at(-1)?.seq, 100);
  t.is(conversation.cursor, 'c100');
});
