import type { Contract } from './trial.ts';

/** How an engine ends, and what it knows when it is attached again. */
export const endingTests = (contract: Contract): void => {
  contract(
    'P3: a cancelled run ends within the deadline, and its Worker stays usable',
    async (t, trial) => {
      const workerId = await trial.create();
      for (let round = 0; round < 2; round += 1) {
        const { runId } = await trial.beginLong(workerId);
        t.deepEqual(await trial.runtime.cancelRun(workerId, { runId }), { changed: true, status: 'idle' });
        const { execution } = await trial.runtime.getWorker(workerId);
        t.is(execution.generation, 1, 'it was not given up');
        t.is(execution.connected, true);
      }
      await trial.say(workerId, trial.harness.input);
      t.deepEqual(await trial.outcomes(workerId), ['cancelled', 'cancelled', 'completed']);
      await trial.checkQuiet();
    },
    'long',
  );

  contract(
    'P1: many runs are stopped at once, gracefully, within one deadline',
    async (t, trial) => {
      const ids = await Promise.all(Array.from({ length: 4 }, () => trial.create()));
      await Promise.all(ids.map((id) => trial.beginLong(id)));
      const begun = performance.now();
      const outcomes = await Promise.all(ids.map((id) => trial.runtime.stopWorker(id)));
      const tookMs = performance.now() - begun;
      t.true(tookMs < trial.runtime.limits.stopDeadlineMs, `took ${Math.round(tookMs)} ms`);
      t.deepEqual(
        outcomes,
        ids.map(() => ({ changed: true, status: 'stopped', outcome: 'graceful' })),
      );
      for (const id of ids) t.deepEqual(await trial.outcomes(id), ['cancelled']);
      await trial.checkQuiet();
    },
    'long',
  );

  contract(
    'stopping one Worker leaves the others alone',
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
    'P2: a stopped execution says nothing more, also after the Worker is resumed',
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
      await trial.checkQuiet();
    },
    'long',
  );

  contract('an idle Worker is stopped, resumed, and deleted without trouble', async (t, trial) => {
    const workerId = await trial.create();
    await trial.say(workerId, trial.harness.input);
    for (let round = 0; round < 3; round += 1) {
      t.is((await trial.runtime.stopWorker(workerId)).outcome, 'graceful');
      t.is((await trial.runtime.resumeWorker(workerId)).execution.generation, round + 2);
      await trial.say(workerId, trial.harness.input);
    }
    await trial.runtime.stopWorker(workerId);
    await trial.runtime.deleteWorker(workerId);
    await trial.checkQuiet();
  });

  contract('P12: a new runtime over the same store goes on with its Workers', async (t, trial) => {
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
    await trial.checkQuiet();
  });

  contract(
    'P4: a run that is on when the runtime stops ends as interrupted',
    async (t, trial) => {
      const workerId = await trial.create();
      await trial.beginLong(workerId);
      await trial.start();
      t.deepEqual(await trial.outcomes(workerId), ['interrupted']);
      t.is((await trial.runtime.getWorker(workerId)).status, 'idle');
      await trial.say(workerId, trial.harness.input);
      await trial.checkQuiet();
    },
    'long',
  );

  contract(
    'P7: a resumed or restarted execution knows the conversation from its history',
    async (t, trial) => {
      const { harness } = trial;
      const workerId = await trial.create();
      const marker = 'marker4711';
      await trial.say(workerId, trial.need(harness.echoInput?.(marker), 'echoInput'));
      const recall = async (when: string): Promise<void> => {
        const answer = await trial.say(workerId, trial.need(harness.recallInput, 'recallInput'));
        t.true(answer.includes(marker), `${when}: ${JSON.stringify(answer)}`);
      };
      await recall('at once');
      await trial.runtime.stopWorker(workerId);
      await trial.runtime.resumeWorker(workerId);
      await recall('resumed');
      await trial.start();
      await recall('restarted');
    },
    'recall',
  );
};
