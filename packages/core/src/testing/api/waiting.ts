import type { Contract } from './contract.ts';

/** Waiting for runs, by the receipt of an input and by the id of a run. */
export const waitingTests = (contract: Contract): void => {
  contract('P49: a receipt says why waiting ended', async (t, scene) => {
    const workerId = await scene.createAt('work');
    const unasked = await scene.api.sendInput(workerId, { text: 'a', whenBusy: 'queue' });
    t.deepEqual([unasked.waited, unasked.run], [null, null]);
    const late = await scene.api.sendInput(workerId, { text: 'b', whenBusy: 'queue' }, { waitMs: 20 });
    t.deepEqual([late.waited, late.run], ['timeout', null]);
    scene.engine.gate('work').open();
    const done = await scene.api.sendInput(workerId, { text: 'c', whenBusy: 'queue' }, { waitMs: 20_000 });
    t.deepEqual([done.waited, done.run?.outcome], ['finished', 'completed']);
    scene.plays({
      ask: [{ type: 'ask', question: { kind: 'question', prompt: 'Well?', options: ['yes'] } }],
    });
    const asking = await scene.api.sendInput(workerId, { text: 'ask' }, { waitMs: 20_000 });
    t.deepEqual([asking.waited, asking.run], ['asks', null]);
  });

  contract('P49: a caller can wait for any run by its id', async (t, scene) => {
    const workerId = await scene.createAt('work');
    const { items } = await scene.api.events(workerId);
    const runId = items.find(({ type }) => type === 'run.started')?.run ?? '';
    t.deepEqual(await scene.api.waitForRun(workerId, runId, { waitMs: 20 }), {
      waited: 'timeout',
      run: null,
    });
    const queued = await scene.api.sendInput(workerId, { text: 'next', whenBusy: 'queue' });
    const both = Promise.all([
      scene.api.waitForRun(workerId, runId),
      scene.api.waitForRun(workerId, queued.runId, { waitMs: 20_000 }),
    ]);
    scene.engine.gate('work').open();
    const [first, second] = await both;
    t.deepEqual([first.waited, first.run?.runId, first.run?.outcome], ['finished', runId, 'completed']);
    t.is(second.run?.runId, queued.runId);
    t.deepEqual(
      second.run?.messages.flatMap(({ parts }) => parts.map((part) => ('text' in part ? part.text : ''))),
      ['you wrote: next'],
    );
    t.is(second.run?.usage.outputTokens, 2);
  });

  contract('P49: the result of a run that finished long ago is read from the log', async (t, scene) => {
    const workerId = await scene.create();
    const first = await scene.api.sendInput(workerId, { text: 'one' }, { waitMs: 20_000 });
    for (const text of ['two', 'three', 'four']) await scene.say(workerId, text);
    const again = await scene.api.waitForRun(workerId, first.runId, { waitMs: 0 });
    t.deepEqual(again, { waited: 'finished', run: first.run });
    await scene.api.stopWorker(workerId);
    t.deepEqual(await scene.api.waitForRun(workerId, first.runId), { waited: 'finished', run: first.run });
  });

  contract(
    'P49: a run that asks for something wakes its waiters, and they can wait again',
    async (t, scene) => {
      scene.plays({
        ask: [{ type: 'ask', question: { kind: 'question', prompt: 'Well?', options: ['yes'] } }],
      });
      const workerId = await scene.create();
      const { runId } = await scene.api.sendInput(workerId, { text: 'ask' });
      t.is((await scene.api.waitForRun(workerId, runId)).waited, 'asks');
      await scene.api.respond(workerId, await scene.requestOf(workerId), { decision: 'yes' });
      const { waited, run } = await scene.api.waitForRun(workerId, runId);
      t.deepEqual([waited, run?.outcome], ['finished', 'completed']);
    },
  );

  contract('P49: a run is found by its id while it is queued, active and finished', async (t, scene) => {
    const workerId = await scene.createAt('work');
    const { run } = await scene.api.getWorker(workerId);
    const [first] = await scene.only(workerId, 'run.started');
    const active = await scene.api.getRun(workerId, run?.runId ?? '');
    t.deepEqual([active.runId, active.inputId, active.status], [first?.run, first?.data.input, 'running']);
    t.deepEqual([active.startedAt, active.finishedAt, active.outcome], [first?.time, null, null]);
    const next = await scene.api.sendInput(workerId, { text: 'next', whenBusy: 'queue' });
    const queued = await scene.api.getRun(workerId, next.runId);
    t.deepEqual([queued.status, queued.inputId, queued.startedAt], ['queued', next.inputId, null]);
    t.is(queued.cursor, next.cursor);
    for (const cursor of [run?.cursor, active.cursor]) {
      const { items } = await scene.api.events(workerId, { after: cursor ?? '', limit: 1 });
      t.deepEqual([items[0]?.type, items[0]?.run], ['run.started', first?.run]);
    }
    scene.engine.gate('work').open();
    await scene.api.waitForRun(workerId, next.runId);
    const done = await scene.api.getRun(workerId, next.runId);
    t.deepEqual([done.status, done.outcome, done.inputId], ['finished', 'completed', next.inputId]);
    t.deepEqual([done.error, done.usage.outputTokens], [null, 2]);
    const { items } = await scene.api.events(workerId, { after: done.cursor, limit: 1 });
    t.deepEqual([items[0]?.type, items[0]?.run], ['run.started', next.runId]);
    t.is(done.finishedAt, (await scene.only(workerId, 'run.finished')).at(-1)?.time ?? '');
    await scene.refuses('RUN_NOT_FOUND', 'an unknown run', () => scene.api.getRun(workerId, 'run_none'));
  });

  contract('P49: a run that was cancelled while it was queued is found by its id', async (t, scene) => {
    const workerId = await scene.createAt('work');
    const next = await scene.api.sendInput(workerId, { text: 'next', whenBusy: 'queue' });
    await scene.api.stopWorker(workerId);
    const { status, outcome, startedAt, inputId } = await scene.api.getRun(workerId, next.runId);
    t.deepEqual([status, outcome, startedAt, inputId], ['finished', 'cancelled', null, next.inputId]);
  });

  contract('a run that does not exist is RUN_NOT_FOUND', async (_t, scene) => {
    const workerId = await scene.create();
    const other = await scene.create();
    const { runId } = await scene.api.sendInput(other, { text: 'hello' }, { waitMs: 20_000 });
    for (const id of ['run_none', runId, 'x'])
      await scene.refuses('RUN_NOT_FOUND', id, () => scene.api.waitForRun(workerId, id, { waitMs: 1_000 }));
    await scene.refuses('WORKER_NOT_FOUND', 'another Worker', () => scene.api.waitForRun('none', runId));
  });
};
