/** The blocks of a conversation, against the log at every event. The console shows them, and `attach` follows the same fold. */
import test, { type ExecutionContext } from 'ava';
import type { WorkerEvent } from '../src/contracts/event.ts';
import { type TranscriptItem, transcriptItem } from '../src/contracts/transcript.ts';
import { Runtime } from '../src/runtime/runtime.ts';
import { scriptedEngine } from '../src/testing/scripted-engine.ts';
import type { Block } from '../src/views/blocks.ts';
import { Conversation } from '../src/views/conversation.ts';

const blocksOf = (events: Iterable<WorkerEvent>): readonly Block[] => new Conversation({ events }).blocks;

const apply = (conversation: Conversation, event: WorkerEvent): void =>
  void conversation.apply({ type: 'event', event, cursor: `@${event.seq}` });

const QUESTION = {
  kind: 'permission' as const,
  prompt: 'May I?',
  call: 'asks',
  options: [
    { id: 'allow', kind: 'allow-once' as const },
    { id: 'deny', kind: 'reject-once' as const },
  ],
};

/** Returns the log of a Worker with every kind of block: answered and lost calls, a refusal, a queue, a stop, a failure. */
const workedLog = async (t: ExecutionContext): Promise<readonly WorkerEvent[]> => {
  const engine = scriptedEngine(
    {
      work: [
        { type: 'reasoning', text: 'First a look.' },
        { type: 'text', text: 'I look' },
        { type: 'message' },
        { type: 'tool-call', call: 'reads', name: 'read', input: { path: 'a' } },
        { type: 'tool-result', call: 'reads', output: 'found' },
        { type: 'tool-call', call: 'asks', name: 'write', input: { path: 'a' } },
        { type: 'ask', question: QUESTION },
        { type: 'tool-result', call: 'asks', error: 'not allowed', denied: true },
        { type: 'usage', inputTokens: 7, outputTokens: 5 },
        { type: 'text', text: 'Done 🙂' },
        { type: 'message' },
      ],
      hang: [
        { type: 'tool-call', call: 'reads', name: 'read', input: {} },
        { type: 'text', text: 'cut off' },
        { type: 'gate', gate: 'never' },
      ],
      fail: [{ type: 'throw', error: new Error('no') }],
    },
    { capabilities: { requests: true, tools: ['read', 'write'] } },
  );
  const runtime = await Runtime.start({ engines: [engine] });
  t.teardown(() => runtime.stop({ deadlineMs: 500 }));
  await runtime.createWorker({ engine: engine.name, workerId: 'ada' });
  const { runId } = await runtime.sendInput('ada', { text: 'work' }, { waitMs: 10_000 });
  await runtime.sendInput('ada', { text: 'work', whenBusy: 'queue' }, { idempotencyKey: 'second' });
  for (const decision of ['deny', 'allow']) {
    let [request] = (await runtime.listRequests('ada')).items;
    while (request === undefined) {
      await runtime.waitForRun('ada', runId, { waitMs: 10 });
      [request] = (await runtime.listRequests('ada')).items;
    }
    await runtime.respond('ada', request.requestId, { decision, note: 'because' });
  }
  await runtime.sendInput('ada', { text: 'fail', whenBusy: 'queue' }, { waitMs: 10_000 });
  await runtime.sendInput('ada', { text: 'hang' });
  for await (const item of runtime.observe('ada', { after: 'start' }))
    if (item.type === 'in-flight' || item.type === 'delta') break;
  await runtime.stopWorker('ada', { reason: 'enough' });
  await runtime.resumeWorker('ada');
  await runtime.updateWorker('ada', { displayName: 'Ada' });
  return (await runtime.events('ada', { limit: 500 })).items;
};

/** Returns what the transcript has of events: a call and its result are one entry, as on a page. */
const spokenOf = (events: readonly WorkerEvent[]): readonly string[] =>
  events.flatMap((event) => {
    const item = transcriptItem(event);
    return item === null || event.type === 'tool.finished' ? [] : [spoken(event.seq, item.parts)];
  });

const spoken = (seq: number, parts: TranscriptItem['parts']): string =>
  `${seq} ${parts.map((part) => (part.type === 'run-end' ? part.outcome : JSON.stringify(part))).join()}`;

const shownBy = (blocks: readonly Block[]): readonly string[] =>
  blocks.flatMap((block) => {
    if (block.kind === 'input') return [spoken(block.seq, block.parts)];
    if (block.kind === 'message') return [spoken(block.seq, block.parts)];
    // the transcript has no entry for a run that completed
    if (block.kind === 'run-end')
      return block.outcome === 'completed' ? [] : [`${block.seq} ${block.outcome}`];
    return block.kind === 'call' ? [spoken(block.seq, [block.call])] : [];
  });

/** Returns the results and answers that the log has for what is in it. */
const completionsOf = (events: readonly WorkerEvent[]): readonly string[] => {
  const called = new Map<string, number>();
  const completed: string[] = [];
  for (const { seq, run, ...event } of events)
    if (event.type === 'tool.called') called.set(`${run} ${event.data.call}`, seq);
    else if (event.type === 'request.opened') called.set(event.data.request, seq);
    else if (event.type === 'tool.finished' || event.type === 'request.resolved') {
      const name = event.type === 'tool.finished' ? `${run} ${event.data.call}` : event.data.request;
      const opened = called.get(name);
      if (opened !== undefined) completed.push(`${opened} at ${event.time}`);
    }
  return completed.sort();
};

const completedIn = (blocks: readonly Block[]): readonly string[] =>
  blocks
    .flatMap((block) => {
      const completed = block.kind === 'call' ? block.result : block.kind === 'ask' ? block.answer : null;
      return completed === null ? [] : [`${block.seq} at ${completed.time}`];
    })
    .sort();

test('P5: at every event of a log, the blocks are the transcript, wherever reading began', async (t) => {
  const events = await workedLog(t);
  t.deepEqual(
    new Set(blocksOf(events).map(({ kind }) => kind)),
    new Set(['note', 'input', 'message', 'call', 'ask', 'run-end']),
  );
  for (let from = 0; from < events.length; from += 1) {
    const fold = new Conversation({ events: [] });
    for (let until = from + 1; until <= events.length; until += 1) {
      const read = events.slice(from, until);
      apply(fold, read.at(-1) as WorkerEvent);
      t.deepEqual(shownBy(fold.blocks), spokenOf(read));
      t.deepEqual(completedIn(fold.blocks), completionsOf(read));
    }
    t.deepEqual(fold.blocks, blocksOf(events.slice(from)));
  }
});

test('P5: an event that arrives again changes nothing, and a block that did not change stays the same object', async (t) => {
  const events = await workedLog(t);
  const fold = new Conversation({ events: [] });
  for (const [at, event] of events.entries()) {
    const before = fold.blocks;
    apply(fold, event);
    const { blocks } = fold;
    for (const again of events.slice(0, at + 1)) apply(fold, again);
    t.true(fold.blocks.every((block, place) => block === blocks[place]));
    t.is(fold.blocks, fold.blocks, 'the same list, until it changes');
    const changed = before.filter((block, place) => blocks[place] !== block);
    t.true(changed.every(({ kind, run }) => run === (event.run ?? null) && kind !== 'message'));
  }
});

test('a run that ends leaves no call open and no input queued, also where results cannot be read', async (t) => {
  const events = await workedLog(t);
  for (const [read, lost] of [
    [events, 0],
    [events.filter(({ type }) => type !== 'tool.finished'), 5],
  ] as const) {
    const blocks = blocksOf(read);
    const calls = blocks.filter((block) => block.kind === 'call');
    t.is(calls.length, 5);
    t.true(calls.every(({ result, isLost }) => (result === null) === isLost));
    t.is(calls.filter(({ isLost }) => isLost).length, lost);
    t.false(blocks.some((block) => block.kind === 'input' && block.isQueued));
    t.deepEqual(
      blocks.flatMap((block) => (block.kind === 'run-end' ? [[block.outcome, block.tokens]] : [])),
      [
        ['completed', 12],
        ['completed', 12],
        ['failed', 0],
        ['cancelled', 0],
      ],
    );
  }
});

test('P5: blocks can be folded again from earlier events, and continue from there', async (t) => {
  const events = await workedLog(t);
  const whole = blocksOf(events);
  for (let from = 1; from < events.length; from += 1) {
    const conversation = new Conversation({ events: events.slice(from, from + 3) });
    conversation.foldBlocks(events.slice(0, from + 3));
    for (const event of events.slice(from)) apply(conversation, event);
    t.deepEqual(conversation.blocks, whole);
  }
  const withoutBlocks = new Conversation();
  for (const event of events) apply(withoutBlocks, event);
  t.deepEqual(withoutBlocks.blocks, []);
});
