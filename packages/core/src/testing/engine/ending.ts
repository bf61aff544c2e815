import type { Contract } from './trial.ts';

/** Tests of an engine whose runs are cancelled, or whose executions are stopped and attached again. */
export const endingTests = (contract: Contract): void => {
  contract(
    'P3: a cancelled run ends within the deadline, and its Worker stays usable',
    async (t, trial) => {
      const workerId = await trial.create();
      for (let round = 0; round < 2; round += 1) {
        const { runId } = await trial.beginLong(workerId);
        t.deepEqual(await trial.runtime.cancelRun(workerId, { runId }), { changed: true, status: 'idle' });
        const { execution } = await trial.runtime.getWorker(workerId);
        t.is(execution.generation, 1, 'the execution was not replaced');
        t.is(execution.connected, true);
      }
      await trial.say(workerId, trial.harness.input);
      t.deepEqual(await trial.outcomes(workerId), ['cancelled', 'cancelled', 'completed']);
      await trial.checkNoDiagnostics();
    },
    'long',
  );

  contract(
    'P1: concurrent stops of several running Workers end gracefully within one deadline',
    async (t, trial) => {
      const ids = await Promise.all(Array.from({ length: 4 }, () => trial.create()));
      await Promise.all(ids.map((id) => trial.beginLong(id)));
      const begun = performance.now();
      const outcomes = await Promise.all(ids.map((id) => trial.runtime.stopWorker(id)));
      const tookMs = performance.now() - begun;
      t.true(tookMs < trial.runtime.limits.stopDeadlineMs, `the stops took ${Math.round(tookMs)} ms`);
      t.deepEqual(
        outcomes,
        ids.map(() => ({ changed: true, status: 'stopped', outcome: 'graceful' })),
      );
      for (const id of ids) t.deepEqual(await trial.outcomes(id), ['cancelled']);
      await trial.checkNoDiagnostics();
    },
    'long',
  );

  contract(
    'stopping one Worker does not affect the run of another',
    async (t, trial) => {
      const [one, other] = [await trial.create(), await trial.create()];
      const { runId } = await trial.beginLong(other);
      t.is((await trial.runtime.stopWorker(one)).outcome, 'graceful');
      t.is((await trial.runtime.getWorker(other)).run?.runId, runId);
      await trial.runtime.cancelRun(other);
      await trial.say(other, trial.harness.input);
    },
    'long',
  );

  contract(
    'P2: a stopped execution records nothing more, even after the Worker is resumed',
    async (t, trial) => {
      const workerId = await trial.create();
      await trial.beginLong(workerId);
      await trial.runtime.stopWorker(workerId);
      const stopped = await trial.log(workerId);
      t.is(stopped.at(-1)?.type, 'worker.stopped');
      t.is((await trial.runtime.resumeWorker(workerId)).execution.generation, 2);
      await trial.say(workerId, trial.harness.input);
      const log = await trial.log(workerId);
      t.deepEqual(log.slice(0, stopped.length), stopped);
      t.deepEqual(await trial.outcomes(workerId), ['cancelled', 'completed']);
      await trial.checkNoDiagnostics();
    },
    'long',
  );

  contract('an idle Worker can be stopped, resumed and deleted without a diagnostic', async (t, trial) => {
    const workerId = await trial.create();
    await trial.say(workerId, trial.harness.input);
    for (let round = 0; round < 3; round += 1) {
      t.is((await trial.runtime.stopWorker(workerId)).outcome, 'graceful');
      t.is((await trial.runtime.resumeWorker(workerId)).execution.generation, round + 2);
      await trial.say(workerId, trial.harness.input);
    }
    await trial.runtime.stopWorker(workerId);
    await trial.runtime.deleteWorker(workerId);
    await trial.checkNoDiagnostics();
  });

  contract('P12: a new runtime on the same store continues its Workers', async (t, trial) => {
    const [idle, stopped] = [await trial.create(), await trial.create()];
    await trial.say(idle, trial.harness.input);
    await trial.runtime.stopWorker(stopped);
    const before = await trial.log(idle);
    await trial.start();
    t.deepEqual(await trial.log(idle), before);
    t.is((await trial.runtime.getWorker(stopped)).status, 'stopped');
    await trial.say(idle, trial.harness.input);
    await trial.runtime.resumeWorker(stopped);
    await trial.say(stopped, trial.harness.input);
    t.deepEqual(await trial.outcomes(idle), ['completed', 'completed']);
    await trial.checkNoDiagnostics();
  });

  contract(
    'P4: a run that is active when the runtime stops ends as interrupted',
    async (t, trial) => {
      const workerId = await trial.create();
      await trial.beginLong(workerId);
      await trial.start();
      t.deepEqual(await trial.outcomes(workerId), ['interrupted']);
      t.is((await trial.runtime.getWorker(workerId)).status, 'idle');
      await trial.say(workerId, trial.harness.input);
      await trial.checkNoDiagnostics();
    },
    'long',
  );

  contract(
    'P7: an execution after a resume or a restart knows the conversation from its history',
    async (t, trial) => {
      const { harness } = trial;
      const workerId = await trial.create();
      const marker = 'marker4711';
      await trial.say(workerId, trial.need(harness.echoInput?.(marker), 'echoInput'));
      const recall = async (when: string): Promise<void> => {
        const answer = await trial.say(workerId, trial.need(harness.recallInput, 'recallInput'));
        t.true(answer.includes(marker), `${when}: ${JSON.stringify(answer)}`);
      };
      await recall('same execution');
      await trial.runtime.stopWorker(workerId);
      await trial.runtime.resumeWorker(workerId);
      await recall('after a resume');
      await trial.start();
      await recall('after a restart');
    },
    'recall',
  );
};
