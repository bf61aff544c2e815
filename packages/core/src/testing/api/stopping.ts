import type { ScriptStep } from '../engine/script.ts';
import type { Contract } from './contract.ts';

/** Steps that ignore the run's signal, and send more output when the test opens the gate. */
const UNRESPONSIVE: readonly ScriptStep[] = [
  { type: 'text', text: 'working' },
  { type: 'gate', gate: 'unresponsive', ignoresAbort: true },
  { type: 'message', parts: [{ type: 'text', text: 'late output' }] },
  { type: 'usage', inputTokens: 1, outputTokens: 1 },
];

const count = (types: readonly string[], type: string): number => types.filter((one) => one === type).length;

export const stoppingTests = (contract: Contract): void => {
  contract(
    'P1: concurrent stops of many Workers end within one deadline, even if their engine hangs',
    async (t, scene) => {
      scene.plays({ unresponsive: UNRESPONSIVE });
      const deadlineMs = 3_000;
      const ids = await Promise.all(Array.from({ length: 24 }, () => scene.create()));
      // Every third run ends normally.
      await Promise.all(
        ids.map((id, index) =>
          scene.api.sendInput(id, { text: index % 3 === 0 ? 'responsive' : 'unresponsive' }),
        ),
      );
      await scene.engine.gate('unresponsive').arrivals(16);
      const begun = performance.now();
      const outcomes = await Promise.all(ids.map((id) => scene.api.stopWorker(id, { deadlineMs })));
      const tookMs = performance.now() - begun;
      t.true(tookMs < deadlineMs * 5, `the stops took ${Math.round(tookMs)} ms`);
      for (const [index, outcome] of outcomes.entries()) {
        const expected = index % 3 === 0 ? 'graceful' : 'detached';
        t.deepEqual(outcome, { changed: true, status: 'stopped', outcome: expected });
        const id = ids[index] as string;
        t.deepEqual(await scene.api.stopWorker(id), { ...outcome, changed: false });
        const types = await scene.typesOf(id);
        t.is(count(types, 'run.finished'), 1);
        t.is(count(types, 'worker.stopped'), 1);
        t.is(types.at(-1), 'worker.stopped');
      }
      t.is((await scene.api.summary()).workers.stopped, ids.length);
      scene.engine.gate('unresponsive').open();
    },
  );

  contract(
    'P1: concurrent stops of one Worker have the same outcome, and one of them changed it',
    async (t, scene) => {
      scene.plays({ unresponsive: UNRESPONSIVE });
      const workerId = await scene.create();
      await scene.api.sendInput(workerId, { text: 'unresponsive' });
      await scene.engine.gate('unresponsive').reached;
      const outcomes = await Promise.all(
        Array.from({ length: 4 }, () => scene.api.stopWorker(workerId, { deadlineMs: 60 })),
      );
      t.is(outcomes.filter(({ changed }) => changed).length, 1);
      for (const { outcome, status } of outcomes) t.deepEqual([outcome, status], ['detached', 'stopped']);
      t.is(count(await scene.typesOf(workerId), 'worker.stopped'), 1);
    },
  );

  contract('P1: a stop whose detach hangs ends at the deadline as detached', async (t, scene) => {
    const workerId = await scene.create();
    scene.engine.detachScript = [{ type: 'hang', ignoresAbort: true }];
    const { outcome } = await scene.api.stopWorker(workerId, { deadlineMs: 60 });
    t.is(outcome, 'detached');
    t.is((await scene.api.getWorker(workerId)).status, 'stopped');
  });

  contract(
    'P2: a stop that reaches its deadline reports detached, and late output never reaches the log',
    async (t, scene) => {
      scene.plays({ unresponsive: UNRESPONSIVE });
      const workerId = await scene.create();
      await scene.api.sendInput(workerId, { text: 'unresponsive' });
      await scene.engine.gate('unresponsive').reached;
      const { outcome } = await scene.api.stopWorker(workerId, { deadlineMs: 60, reason: 'enough' });
      t.is(outcome, 'detached');
      const { items } = await scene.api.diagnostics();
      const diagnostic = items.find(({ code }) => code === 'EXECUTION_DETACHED');
      t.is(diagnostic?.worker, workerId);
      t.true((diagnostic?.correlationId ?? '') !== '');
      const stopped = await scene.log(workerId);
      t.deepEqual(
        stopped.slice(-4).map(({ type }) => type),
        ['message.completed', 'run.finished', 'execution.detached', 'worker.stopped'],
      );
      t.deepEqual(stopped.at(-1)?.data, { outcome: 'detached', reason: 'enough' });
      t.deepEqual(stopped.at(-2)?.data, { generation: 1, cause: 'deadline' });
      t.deepEqual(stopped.at(-3)?.data, { outcome: 'cancelled' });
      const kept = stopped.at(-4);
      t.is(kept?.type === 'message.completed' && kept.data.partial, true);

      const viewer = scene.view(workerId);
      await viewer.until('the text in flight', ({ items: seen }) =>
        seen.some(({ type }) => type === 'in-flight'),
      );
      t.is(viewer.text, '', 'a completed message has no text in flight');

      // A new execution is attached while the old one still hangs. Then the old one sends output.
      t.is((await scene.api.resumeWorker(workerId)).execution.generation, 2);
      scene.engine.gate('unresponsive').open();
      await scene.say(workerId, 'hello');
      await scene.say(workerId, 'again');
      const log = await scene.log(workerId);
      t.true(!JSON.stringify(log).includes('late output'));
      t.deepEqual(log.slice(0, stopped.length), stopped);
      t.is((await scene.api.overview(workerId)).usage.byModel['scripted-1']?.outputTokens, 4);
      t.is((await scene.api.overview(workerId)).usage.outputTokens, 4);
    },
  );

  contract('P3: cancel ends only the current run, and the Worker stays usable', async (t, scene) => {
    const workerId = await scene.createAt('work');
    const next = await scene.api.sendInput(workerId, { text: 'next', whenBusy: 'queue' });
    const { run } = await scene.api.getWorker(workerId);
    await scene.refuses('RUN_MISMATCH', 'another run', () =>
      scene.api.cancelRun(workerId, { runId: next.runId }),
    );
    const { changed } = await scene.api.cancelRun(workerId, { runId: run?.runId ?? '', reason: 'enough' });
    t.is(changed, true);
    await scene.happens(workerId, 'run.finished', 2);
    t.deepEqual(
      (await scene.only(workerId, 'run.finished')).map(({ run: id, data }) => [id, data.outcome]),
      [
        [run?.runId, 'cancelled'],
        [next.runId, 'completed'],
      ],
    );
    t.deepEqual(await scene.api.cancelRun(workerId), { changed: false, status: 'idle' });
    const worker = await scene.api.getWorker(workerId);
    t.deepEqual(worker.execution, { connected: true, generation: 1, lastError: null });
    await scene.say(workerId, 'hello');
    t.deepEqual(await scene.api.cancelRun(workerId, { runId: run?.runId ?? '' }), {
      changed: false,
      status: 'idle',
    });
  });

  contract(
    'P3: a run that ignores its cancel is fenced at the deadline, and the next input gets a new execution',
    async (t, scene) => {
      scene.plays({ unresponsive: UNRESPONSIVE });
      const workerId = await scene.create();
      await scene.api.sendInput(workerId, { text: 'unresponsive' });
      await scene.engine.gate('unresponsive').reached;
      t.deepEqual(await scene.api.cancelRun(workerId), { changed: true, status: 'idle' });
      t.is((await scene.api.getWorker(workerId)).execution.connected, false);
      t.is((await scene.only(workerId, 'run.finished'))[0]?.data.outcome, 'cancelled');
      await scene.say(workerId, 'hello');
      scene.engine.gate('unresponsive').open();
      const worker = await scene.api.getWorker(workerId);
      t.deepEqual(worker.execution, { connected: true, generation: 2, lastError: null });
      t.true(!JSON.stringify(await scene.log(workerId)).includes('late output'));
    },
  );

  contract('P1: a stop during a cancel ends both at the deadline of the stop', async (t, scene) => {
    scene.plays({ unresponsive: UNRESPONSIVE });
    const workerId = await scene.create();
    await scene.api.sendInput(workerId, { text: 'unresponsive' });
    await scene.engine.gate('unresponsive').reached;
    const cancelling = scene.api.cancelRun(workerId);
    const stopping = scene.api.stopWorker(workerId, { deadlineMs: 20 });
    t.is((await stopping).status, 'stopped');
    t.is((await cancelling).status, 'stopped');
    const [finished, ...others] = await scene.only(workerId, 'run.finished');
    t.is(finished?.data.outcome, 'cancelled');
    t.deepEqual(others, []);
  });

  contract(
    'P3: a stop cancels queued inputs, and the Worker refuses inputs until it is resumed',
    async (t, scene) => {
      const workerId = await scene.createAt('work');
      const queued = await scene.api.sendInput(workerId, { text: 'queued', whenBusy: 'queue' });
      const stopped = await scene.api.stopWorker(workerId, { deadlineMs: 20_000 });
      t.deepEqual(stopped, { changed: true, status: 'stopped', outcome: 'graceful' });
      t.is((await scene.engine.called('detach', workerId)).reason, 'stop');
      const outcomes = (await scene.only(workerId, 'run.finished')).map(({ data }) => data.outcome);
      t.deepEqual(outcomes, ['cancelled', 'cancelled']);
      t.is((await scene.only(workerId, 'run.finished'))[1]?.run, queued.runId);
      const worker = await scene.api.getWorker(workerId);
      t.is(worker.status, 'stopped');
      t.is(worker.queued, 0);
      t.is(worker.run, null);
      t.deepEqual(worker.execution, { connected: false, generation: 1, lastError: null });
      await scene.refuses('WORKER_STOPPED', 'an input', () =>
        scene.api.sendInput(workerId, { text: 'hello' }),
      );
      await scene.refuses('WORKER_STOPPED', 'an input to be queued', () =>
        scene.api.sendInput(workerId, { text: 'hello', whenBusy: 'queue' }),
      );
      t.deepEqual(await scene.api.cancelRun(workerId), { changed: false, status: 'stopped' });
      t.is((await scene.api.updateWorker(workerId, { displayName: 'Ada' })).status, 'stopped');

      const resumed = await scene.api.resumeWorker(workerId, { reason: 'continue' });
      t.is(resumed.status, 'idle');
      t.deepEqual(resumed.execution, { connected: true, generation: 2, lastError: null });
      t.deepEqual(
        (await scene.log(workerId)).slice(-2).map(({ type, data }) => [type, data]),
        [
          ['worker.resumed', { reason: 'continue' }],
          ['execution.attached', { generation: 2, engine: 'scripted' }],
        ],
      );
      await scene.say(workerId, 'hello');
      t.deepEqual(await scene.api.resumeWorker(workerId), await scene.api.getWorker(workerId));
      t.is(
        scene.engine.sessions.length,
        2,
        'a resume of a connected Worker does not attach the engine again',
      );
    },
  );

  contract('P3: a resume whose attach fails leaves the Worker stopped', async (t, scene) => {
    const workerId = await scene.create();
    await scene.api.stopWorker(workerId);
    const types = await scene.typesOf(workerId);
    scene.engine.attachScript = [{ type: 'throw', error: new Error('no') }];
    await scene.refuses('ENGINE_UNAVAILABLE', 'a resume', () => scene.api.resumeWorker(workerId));
    t.is((await scene.api.getWorker(workerId)).status, 'stopped');
    t.deepEqual(await scene.typesOf(workerId), types);
    scene.engine.attachScript = [];
    const both = await Promise.all([scene.api.resumeWorker(workerId), scene.api.resumeWorker(workerId)]);
    t.deepEqual(
      both.map(({ status }) => status),
      ['idle', 'idle'],
    );
    t.is(count(await scene.typesOf(workerId), 'worker.resumed'), 1);
  });

  contract(
    'P2: an execution that reports its loss fails its run, and the next input gets a new execution',
    async (t, scene) => {
      scene.plays({ crash: [{ type: 'text', text: 'half' }, { type: 'lost' }, { type: 'hang' }] });
      const workerId = await scene.create();
      const lost = await scene.api.sendInput(workerId, { text: 'crash' }, { waitMs: 20_000 });
      t.is(lost.run?.outcome, 'failed');
      t.is(lost.run?.error?.code, 'EXECUTION_LOST');
      const worker = await scene.api.getWorker(workerId);
      t.is(worker.status, 'idle');
      t.is(worker.execution.connected, false);
      t.is(worker.execution.lastError?.code, 'EXECUTION_LOST');
      t.true((await scene.api.diagnostics()).items.some(({ code }) => code === 'EXECUTION_LOST'));
      await scene.say(workerId, 'hello');
      t.deepEqual((await scene.api.getWorker(workerId)).execution, {
        connected: true,
        generation: 2,
        lastError: null,
      });
    },
  );
};
