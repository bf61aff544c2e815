import type { Contract } from './scene.ts';

/** Tests of an engine whose runs are cancelled, or whose executions are stopped and attached again. */
export const endingTests = (contract: Contract): void => {
  contract(
    'P3: a cancelled run ends within the deadline, and its Worker stays usable',
    async (t, scene) => {
      const workerId = await scene.create();
      for (let round = 0; round < 2; round += 1) {
        const { runId } = await scene.beginLong(workerId);
        t.deepEqual(await scene.runtime.cancelRun(workerId, { runId }), { changed: true, status: 'idle' });
        const { execution } = await scene.runtime.getWorker(workerId);
        t.is(execution.generation, 1, 'the execution was not replaced');
        t.is(execution.connected, true);
      }
      await scene.say(workerId, scene.harness.input);
      t.deepEqual(await scene.outcomes(workerId), ['cancelled', 'cancelled', 'completed']);
      await scene.checkNoDiagnostics();
    },
    'long',
  );

  contract(
    'P1: concurrent stops of several running Workers end gracefully within one deadline',
    async (t, scene) => {
      const ids = await Promise.all(Array.from({ length: 4 }, () => scene.create()));
      await Promise.all(ids.map((id) => scene.beginLong(id)));
      const begun = performance.now();
      const outcomes = await Promise.all(ids.map((id) => scene.runtime.stopWorker(id)));
      const tookMs = performance.now() - begun;
      t.true(tookMs < scene.runtime.limits.stopDeadlineMs, `the stops took ${Math.round(tookMs)} ms`);
      t.deepEqual(
        outcomes,
        ids.map(() => ({ changed: true, status: 'stopped', outcome: 'graceful' })),
      );
      for (const id of ids) t.deepEqual(await scene.outcomes(id), ['cancelled']);
      await scene.checkNoDiagnostics();
    },
    'long',
  );

  contract(
    'stopping one Worker does not affect the run of another',
    async (t, scene) => {
      const [one, other] = [await scene.create(), await scene.create()];
      const { runId } = await scene.beginLong(other);
      t.is((await scene.runtime.stopWorker(one)).outcome, 'graceful');
      t.is((await scene.runtime.getWorker(other)).run?.runId, runId);
      await scene.runtime.cancelRun(other);
      await scene.say(other, scene.harness.input);
    },
    'long',
  );

  contract(
    'P2: a stopped execution records nothing more, even after the Worker is resumed',
    async (t, scene) => {
      const workerId = await scene.create();
      await scene.beginLong(workerId);
      await scene.runtime.stopWorker(workerId);
      const stopped = await scene.log(workerId);
      t.is(stopped.at(-1)?.type, 'worker.stopped');
      t.is((await scene.runtime.resumeWorker(workerId)).execution.generation, 2);
      await scene.say(workerId, scene.harness.input);
      const log = await scene.log(workerId);
      t.deepEqual(log.slice(0, stopped.length), stopped);
      t.deepEqual(await scene.outcomes(workerId), ['cancelled', 'completed']);
      await scene.checkNoDiagnostics();
    },
    'long',
  );

  contract('an idle Worker can be stopped, resumed and deleted without a diagnostic', async (t, scene) => {
    const workerId = await scene.create();
    await scene.say(workerId, scene.harness.input);
    for (let round = 0; round < 3; round += 1) {
      t.is((await scene.runtime.stopWorker(workerId)).outcome, 'graceful');
      t.is((await scene.runtime.resumeWorker(workerId)).execution.generation, round + 2);
      await scene.say(workerId, scene.harness.input);
    }
    await scene.runtime.stopWorker(workerId);
    await scene.runtime.deleteWorker(workerId);
    await scene.checkNoDiagnostics();
  });

  contract('P12: a new runtime on the same store continues its Workers', async (t, scene) => {
    const [idle, stopped] = [await scene.create(), await scene.create()];
    await scene.say(idle, scene.harness.input);
    await scene.runtime.stopWorker(stopped);
    const before = await scene.log(idle);
    await scene.start();
    t.deepEqual(await scene.log(idle), before);
    t.is((await scene.runtime.getWorker(stopped)).status, 'stopped');
    await scene.say(idle, scene.harness.input);
    await scene.runtime.resumeWorker(stopped);
    await scene.say(stopped, scene.harness.input);
    t.deepEqual(await scene.outcomes(idle), ['completed', 'completed']);
    await scene.checkNoDiagnostics();
  });

  contract(
    'P4: a run that is active when the runtime stops ends as interrupted',
    async (t, scene) => {
      const workerId = await scene.create();
      await scene.beginLong(workerId);
      await scene.start();
      t.deepEqual(await scene.outcomes(workerId), ['interrupted']);
      t.is((await scene.runtime.getWorker(workerId)).status, 'idle');
      await scene.say(workerId, scene.harness.input);
      await scene.checkNoDiagnostics();
    },
    'long',
  );

  contract(
    'P7: an execution after a resume or a restart knows the conversation from its history',
    async (t, scene) => {
      const { harness } = scene;
      const workerId = await scene.create();
      const marker = 'marker4711';
      await scene.say(workerId, scene.need(harness.echoInput?.(marker), 'echoInput'));
      const recall = async (when: string): Promise<void> => {
        const answer = await scene.say(workerId, scene.need(harness.recallInput, 'recallInput'));
        t.true(answer.includes(marker), `${when}: ${JSON.stringify(answer)}`);
      };
      await recall('same execution');
      await scene.runtime.stopWorker(workerId);
      await scene.runtime.resumeWorker(workerId);
      await recall('after a resume');
      await scene.start();
      await recall('after a restart');
    },
    'recall',
  );
};
