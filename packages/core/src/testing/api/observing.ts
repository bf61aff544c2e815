import type { ScriptStep } from '../engine/script.ts';
import type { Contract } from './contract.ts';
import { positionsOf } from './cursors.ts';
import type { Viewer } from './viewer.ts';

/** A run with every kind of output. Two deltas split the surrogate pair of an emoji. */
const OUTPUTS: readonly ScriptStep[] = [
  { type: 'step-start', model: 'm' },
  { type: 'reasoning', text: 'thinking ' },
  { type: 'reasoning', text: 'about it' },
  { type: 'text', text: 'Let me ' },
  { type: 'text', text: 'look \ud83d' },
  { type: 'text', text: '\udc69.' },
  { type: 'reasoning', text: 'more' },
  { type: 'message' },
  { type: 'tool-call', call: 'c1', name: 'read', input: { path: 'x' } },
  { type: 'tool-result', call: 'c1', output: 'found' },
  [
    { type: 'text', text: 'It ' },
    { type: 'text', text: 'is ' },
    { type: 'usage', model: 'm', inputTokens: 1, outputTokens: 2 },
    { type: 'text', text: 'there' },
  ],
  { type: 'text', text: '.' },
  { type: 'message' },
  { type: 'step-finish', finish: 'stop' },
  { type: 'text', text: 'left over' },
];

/** Returns the text in flight after the first `count` outputs. */
const textAfter = (count: number): string => {
  let text = '';
  for (const output of OUTPUTS.slice(0, count).flat()) {
    if ('type' in output && (output.type === 'text' || output.type === 'reasoning')) text += output.text;
    else if ('type' in output && output.type === 'message') text = '';
  }
  return text;
};

export const observingTests = (contract: Contract): void => {
  contract(
    'P5: a client that attaches at any moment of a run rebuilds the log and the text in flight',
    async (t, scene) => {
      scene.plays({
        all: OUTPUTS.flatMap((output, index) => [output, { type: 'gate', gate: `after ${index}` } as const]),
      });
      const workerId = await scene.create();
      const early = scene.view(workerId, { after: 'start' });
      await scene.api.sendInput(workerId, { text: 'all' });
      const viewers: { readonly viewer: Viewer; readonly from: number | null }[] = [
        { viewer: early, from: 0 },
      ];

      for (let index = 0; index < OUTPUTS.length; index += 1) {
        await scene.engine.gate(`after ${index}`).reached;
        const text = textAfter(index + 1);
        const positions = await positionsOf(scene, workerId);
        viewers.push({ viewer: scene.view(workerId), from: null });
        for (const [from, after] of positions.entries())
          viewers.push({ viewer: scene.view(workerId, { after }), from });
        const { lastSeq } = await scene.api.getWorker(workerId);
        await Promise.all(
          viewers.map(async ({ viewer }) => {
            const isCurrent = (): boolean =>
              (viewer.events.at(-1)?.event.seq ?? lastSeq) >= lastSeq &&
              viewer.text === text &&
              viewer.items.some(({ type }) => type === 'in-flight');
            await viewer.until(`output ${index}, ${JSON.stringify(text)}`, isCurrent);
          }),
        );
        scene.engine.gate(`after ${index}`).open();
      }
      await Promise.all(viewers.map(({ viewer }) => viewer.sees('run.finished')));

      const log = await scene.log(workerId);
      const positions = await positionsOf(scene, workerId);
      const messages = await scene.only(workerId, 'message.completed');
      t.is(messages.length, 3);
      for (const { viewer, from } of viewers) {
        const snapshot = viewer.items[0];
        const begun = from ?? (snapshot?.type === 'snapshot' ? snapshot.worker.lastSeq : -1);
        if (snapshot?.type === 'snapshot') t.is(snapshot.asOf, positions[begun]);
        t.is(JSON.stringify(viewer.events.map(({ event }) => event)), JSON.stringify(log.slice(begun)));
        t.deepEqual(
          viewer.events.map(({ cursor }) => cursor),
          positions.slice(begun + 1),
        );
        for (const { data } of messages) {
          const written = viewer.written.get(data.message);
          if (!written || written.size === 0) continue;
          t.deepEqual(
            [...written],
            data.parts.map((part) => [part.id, part.type === 'file' ? '' : part.text]),
          );
        }
      }
      t.is(messages.filter(({ data }) => (early.written.get(data.message)?.size ?? 0) > 0).length, 3);
      t.is(messages[2]?.data.partial, undefined, 'the last message of a completed run is not partial');
    },
  );

  contract('P5: a stream without a cursor begins with a snapshot of the Worker', async (t, scene) => {
    const workerId = await scene.create({ displayName: 'Ada' });
    await scene.say(workerId, 'hello');
    const viewer = scene.view(workerId);
    await viewer.until('two items', ({ items }) => items.length === 2);
    const worker = await scene.api.getWorker(workerId);
    t.deepEqual(viewer.items, [
      { type: 'snapshot', worker, requests: [], asOf: worker.asOf },
      { type: 'in-flight', messages: [] },
    ]);
    await scene.api.updateWorker(workerId, { displayName: 'Grace' });
    const { event, cursor } = await viewer.sees('worker.updated');
    t.is(event.seq, worker.lastSeq + 1);
    t.is(cursor, (await scene.api.getWorker(workerId)).asOf);
  });

  contract('P5: a stream without deltas delivers only events', async (t, scene) => {
    scene.plays({
      talk: [
        { type: 'text', text: 'a' },
        { type: 'gate', gate: 'talk' },
        { type: 'text', text: 'b' },
        { type: 'message' },
      ],
    });
    const workerId = await scene.create();
    const { cursor } = await scene.api.sendInput(workerId, { text: 'talk' });
    await scene.engine.gate('talk').reached;
    const viewer = scene.view(workerId, { after: cursor, deltas: false });
    await viewer.sees('run.started');
    scene.engine.gate('talk').open();
    await viewer.sees('run.finished');
    t.deepEqual([...new Set(viewer.items.map(({ type }) => type))], ['event']);
  });

  contract('a stream of a deleted Worker delivers worker.deleted, then ends', async (t, scene) => {
    const workerId = await scene.create();
    const viewer = scene.view(workerId, { after: 'start' });
    await viewer.sees('execution.attached');
    await scene.api.stopWorker(workerId);
    await scene.api.deleteWorker(workerId);
    await viewer.ended();
    t.deepEqual(viewer.items.at(-1), { type: 'ended', code: 'WORKER_NOT_FOUND' });
    t.is(viewer.events.at(-1)?.event.type, 'worker.deleted');
  });

  contract('P8: a stalled stream delays neither the Worker nor its other streams', async (t, scene) => {
    const workerId = await scene.create();
    const stalled = scene.api.observe(workerId, { after: 'start' })[Symbol.asyncIterator]();
    t.is((await stalled.next()).done, false);
    const viewer = scene.view(workerId, { after: 'start' });
    for (let round = 0; round < 50; round += 1) await scene.say(workerId, `hello ${round}`);
    await viewer.sees('run.finished', 50);
    const log = await scene.log(workerId);
    for (let seq = 2; seq <= log.length; ) {
      const { value } = await stalled.next();
      if (value?.type !== 'event') continue;
      t.is(JSON.stringify(value.event), JSON.stringify(log[seq - 1]));
      seq += 1;
    }
    await stalled.return?.();
  });

  contract('a stream ends when its signal is aborted, even while it is idle', async (t, scene) => {
    const workerId = await scene.create();
    const viewers = Array.from({ length: 10 }, () => scene.view(workerId));
    await Promise.all(viewers.map((viewer) => viewer.until('two items', ({ items }) => items.length === 2)));
    await Promise.all(viewers.map((viewer) => viewer.close()));
    const controller = new AbortController();
    controller.abort();
    const seen: string[] = [];
    for await (const { type } of scene.api.observe(workerId, { signal: controller.signal })) seen.push(type);
    for await (const { type } of scene.api.watch({ signal: controller.signal })) seen.push(type);
    t.deepEqual(seen, []);
  });
};
