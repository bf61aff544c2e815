import type { Contract } from './contract.ts';

/** Changes of the config and the tools of a Worker. */
export const updatingTests = (contract: Contract): void => {
  contract('P55: another config and other tools apply to the next run', async (t, scene) => {
    const workerId = await scene.create({ config: { token: 'canary-1' }, tools: ['read'] });
    const before = await scene.api.getWorker(workerId);
    await scene.say(workerId, 'one');
    const changed = await scene.api.updateWorker(workerId, {
      config: { token: 'canary-2' },
      tools: ['write'],
    });
    t.deepEqual(changed.tools, ['write']);
    t.true(changed.configDigest !== before.configDigest);
    await scene.say(workerId, 'two');
    const seen = scene.engine.sessions.map(({ context }) => context);
    t.deepEqual(
      seen.map(({ config }) => config),
      [{ token: 'canary-1' }, { token: 'canary-2' }],
    );
    t.deepEqual(seen.at(-1)?.tools, ['write']);
    const shown = JSON.stringify([await scene.log(workerId), changed]);
    t.true(!shown.includes('canary'), 'the config is private');
    // the same values again change nothing
    await scene.api.updateWorker(workerId, {
      config: { token: 'canary-2' },
      tools: ['write'],
    });
    t.is((await scene.only(workerId, 'worker.updated')).length, 1);
    await scene.api.updateWorker(workerId, { config: { token: 'canary-1' } });
    const again = await scene.api.getWorker(workerId);
    t.deepEqual([again.configDigest, again.tools], [before.configDigest, ['write']]);
    await scene.say(workerId, 'three');
    t.deepEqual(scene.engine.sessions.at(-1)?.context.config, { token: 'canary-1' });
  });

  contract(
    'P55: a run that is active goes on as it began, and the queued one gets the change',
    async (t, scene) => {
      const workerId = await scene.createAt('work', { config: { token: 'old' } });
      const next = await scene.api.sendInput(workerId, { text: 'next', whenBusy: 'queue' });
      await scene.api.updateWorker(workerId, { config: { token: 'new' } });
      t.is((await scene.api.getWorker(workerId)).status, 'running');
      scene.engine.gate('work').open();
      const { run } = await scene.api.waitForRun(workerId, next.runId);
      t.is(run?.outcome, 'completed');
      t.deepEqual(
        scene.engine.sessions.map(({ context, runs }) => [context.config, runs.length]),
        [
          [{ token: 'old' }, 1],
          [{ token: 'new' }, 1],
        ],
      );
      t.deepEqual(
        (await scene.only(workerId, 'run.finished')).map(({ data }) => data.outcome),
        ['completed', 'completed'],
      );
    },
  );

  contract('a change that the engine does not support is refused as a whole', async (t, scene) => {
    const workerId = await scene.create({ tools: ['read'] });
    const before = await scene.api.getWorker(workerId);
    await scene.refuses('TOOL_UNKNOWN', 'an unknown tool', () =>
      scene.api.updateWorker(workerId, { displayName: 'Ada', tools: ['read', 'none'] }),
    );
    await scene.refuses('PAYLOAD_TOO_LARGE', 'a large config', () =>
      scene.api.updateWorker(workerId, { config: { token: 'x'.repeat(262_144) } }),
    );
    t.deepEqual(await scene.api.getWorker(workerId), before);
  });

  for (const way of ['restart', 'kill'] as const)
    contract(
      `P55: a changed config survives a ${way}`,
      async (t, scene) => {
        const workerId = await scene.create({ config: { token: 'old' } });
        await scene.api.updateWorker(workerId, { config: { token: 'new' }, tools: ['read'] });
        await scene[way]();
        await scene.say(workerId, 'hello');
        const { config, tools } = scene.engine.sessions.at(-1)?.context ?? {};
        t.deepEqual([config, tools], [{ token: 'new' }, ['read']]);
      },
      way,
    );
};
