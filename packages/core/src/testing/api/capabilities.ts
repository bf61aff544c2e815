import type { Contract } from './contract.ts';

export const capabilityTests = (contract: Contract): void => {
  contract(
    'the summary has the identity, the limits and the Worker counts of the runtime',
    async (t, scene) => {
      const empty = await scene.api.summary();
      t.true(/^runtime_[0-9a-z]{26}$/.test(empty.runtimeId), empty.runtimeId);
      t.is(empty.status, 'running');
      t.is(empty.store.healthy, true);
      t.is(typeof empty.versions.protocol, 'number');
      t.deepEqual(empty.workers, { total: 0, idle: 0, running: 0, waiting: 0, stopped: 0 });
      t.true(empty.limits.pageItems > 0 && empty.limits.stopDeadlineMs > 0);
      t.true(Date.parse(empty.startedAt) > 0);
      scene.plays({
        ask: [{ type: 'ask', question: { kind: 'question', prompt: 'Well?', options: ['yes'] } }],
        work: [{ type: 'gate', gate: 'work' }],
      });
      for (const workerId of ['idle', 'running', 'waiting', 'stopped']) await scene.create({ workerId });
      await scene.api.sendInput('running', { text: 'work' });
      await scene.api.sendInput('waiting', { text: 'ask' });
      await scene.requestOf('waiting');
      await scene.api.stopWorker('stopped');
      t.deepEqual((await scene.api.summary()).workers, {
        total: 4,
        idle: 1,
        running: 1,
        waiting: 1,
        stopped: 1,
      });
    },
  );

  contract(
    "P17: a Worker's capabilities are the engine's, limited to the tools that the Worker was granted",
    async (t, scene) => {
      const { name, capabilities: offered, configSchema } = scene.engine;
      const summary = await scene.api.summary();
      t.deepEqual(
        summary.engines.filter((engine) => engine.name === name),
        [{ name, capabilities: offered, configSchema }],
      );
      for (const kind of ['filesystem', 'shell', 'git', 'worktree'] as const)
        t.is(summary.capabilities.access[kind] || offered.access?.[kind] !== true, true, kind);
      for (const tool of offered.tools ?? [])
        t.true(summary.capabilities.tools.available.includes(tool), tool);
      t.is(summary.capabilities.operations.requests, true);
      for (const type of offered.files ?? [])
        t.true(summary.capabilities.files.accepted.includes(type), type);

      const none = await scene.create();
      const some = await scene.create({ tools: ['write'] });
      const capabilitiesOf = async (workerId: string) => (await scene.api.getWorker(workerId)).capabilities;
      t.deepEqual((await capabilitiesOf(none)).tools.available, []);
      t.deepEqual((await capabilitiesOf(some)).tools.available, ['write']);
      t.deepEqual(
        scene.engine.sessions.map(({ context }) => context.tools),
        [[], ['write']],
      );
      t.deepEqual((await capabilitiesOf(none)).files, { accepted: [...(offered.files ?? [])].sort() });
      t.deepEqual((await capabilitiesOf(none)).access, {
        filesystem: true,
        shell: false,
        git: false,
        worktree: false,
      });
      t.deepEqual((await capabilitiesOf(none)).placement, {
        backendInternal: true,
        localProcess: false,
        remoteHost: false,
      });

      scene.engine.capabilities = { placement: 'remoteHost', tools: ['read'] };
      t.deepEqual(await capabilitiesOf(some), {
        placement: { backendInternal: false, localProcess: false, remoteHost: true },
        access: { filesystem: false, shell: false, git: false, worktree: false },
        tools: { available: [] },
        files: { accepted: [] },
        operations: { requests: false, resume: true, continue: false, fork: false },
      });
      await scene.refuses('TOOL_UNKNOWN', 'a withdrawn tool', () => scene.create({ tools: ['write'] }));
    },
  );

  contract('diagnostics are listed newest first, in pages of any size', async (t, scene) => {
    scene.engine.attachScript = [{ type: 'throw', error: new Error('canary') }];
    for (let round = 0; round < 5; round += 1)
      await scene.refuses('ENGINE_UNAVAILABLE', 'a creation', () => scene.create({ workerId: `w${round}` }));
    const { items, next } = await scene.api.diagnostics();
    t.is(next, null);
    t.is(items.length, (await scene.api.summary()).diagnostics);
    t.deepEqual(
      items.map(({ id }) => id),
      items.map((_, index) => items.length - index),
    );
    t.deepEqual(
      items.slice(0, 5).map(({ code, worker }) => [code, worker]),
      [4, 3, 2, 1, 0].map((round) => ['ENGINE_UNAVAILABLE', `w${round}`]),
    );
    t.is(new Set(items.map(({ correlationId }) => correlationId)).size, items.length);
    t.true(!JSON.stringify(items).includes('canary'), 'P19: no diagnostic contains the thrown message');
    for (const limit of [1, 2, 5]) {
      t.deepEqual(await scene.all((after) => scene.api.diagnostics({ after, limit })), items);
    }
  });

  contract('a Worker that an engine creates is a child of the Worker that runs it', async (t, scene) => {
    scene.plays({
      delegate: [
        {
          type: 'create-child',
          spec: { engine: 'scripted', workerId: 'child', initialInput: { text: 'hello' } },
        },
        { type: 'create-child', spec: { engine: 'scripted', workerId: 'child' } },
      ],
    });
    const parent = await scene.create();
    const { run } = await scene.api.sendInput(parent, { text: 'delegate' }, { waitMs: 20_000 });
    t.is(run?.error?.code, 'WORKER_EXISTS');
    t.is((await scene.happens('child', 'run.finished')).parent, parent);
    t.deepEqual(
      (await scene.api.listWorkers({ parent })).items.map(({ workerId }) => workerId),
      ['child'],
    );
  });

  contract(
    'an engine begins a run with or without an input, but not while another run is active',
    async (t, scene) => {
      const workerId = await scene.create();
      const [session] = scene.engine.sessions;
      await session?.context.beginRun({ role: 'system', parts: [{ type: 'text', text: 'wake up' }] });
      await scene.happens(workerId, 'run.finished');
      await session?.context.beginRun();
      await scene.happens(workerId, 'run.finished', 2);
      t.deepEqual(
        (await scene.only(workerId, 'run.started')).map(({ data }) => data.origin),
        ['engine', 'engine'],
      );
      t.is((await scene.only(workerId, 'input.accepted'))[0]?.data.role, 'system');
      t.is(session?.runs[1]?.input, null);
      scene.plays({ work: [{ type: 'begin-run' }] });
      const { run } = await scene.api.sendInput(workerId, { text: 'work' }, { waitMs: 20_000 });
      t.is(run?.error?.code, 'WORKER_BUSY');
      await scene.api.stopWorker(workerId);
      await scene.refuses('EXECUTION_LOST', 'a stopped execution', async () => session?.context.beginRun());
      t.is((await scene.only(workerId, 'run.started')).length, 3);
    },
  );
};
