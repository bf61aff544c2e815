import { bundleDigest } from '../../commands/bundles.ts';
import type { ErrorCode } from '../../contracts/runtime-error.ts';
import type { CreateWorker } from '../../contracts/worker.ts';
import { BUNDLE, DIGEST, PROFILES } from './bundles.ts';
import type { Contract } from './contract.ts';

export const creatingTests = (contract: Contract): void => {
  contract(
    'a Worker is created as requested, and every call describes it in the same way',
    async (t, scene) => {
      const request: CreateWorker = {
        engine: 'scripted',
        workerId: 'ada',
        displayName: 'Ada',
        labels: { team: 'docs' },
        config: { token: 'canary-token' },
        tools: ['read'],
        claims: [{ name: 'docs', resource: 'fs:/canary/path', mode: 'write' }],
      };
      const { worker, replayed, input } = await scene.api.createWorker(request);
      t.is(replayed, false);
      t.is(input, null);
      t.is(worker.workerId, 'ada');
      t.is(worker.runtimeId, (await scene.api.summary()).runtimeId);
      t.is(worker.displayName, 'Ada');
      t.is(worker.engine, 'scripted');
      t.deepEqual(worker.labels, { team: 'docs' });
      t.is(worker.parent, null);
      t.is(worker.status, 'idle');
      t.is(worker.health, 'ok');
      t.deepEqual(worker.execution, { connected: true, generation: 1, lastError: null });
      t.is(worker.run, null);
      t.is(worker.queued, 0);
      t.deepEqual(worker.tools, ['read']);
      t.deepEqual(worker.claims, [{ name: 'docs', mode: 'write' }]);
      t.is(worker.lastSeq, 2);
      t.true(/^sha256-[0-9a-f]{64}$/.test(worker.configDigest));
      t.deepEqual(await scene.api.getWorker('ada'), worker);
      t.deepEqual(await scene.typesOf('ada'), ['worker.created', 'execution.attached']);
      const answers = JSON.stringify([
        worker,
        await scene.log('ada'),
        await scene.api.listWorkers(),
        await scene.api.summary(),
        await scene.api.diagnostics(),
      ]);
      t.true(!answers.includes('canary'), 'P19: no answer contains the token or the path');
      const { context } = scene.engine.sessions[0] ?? {};
      t.deepEqual(context?.config, { token: 'canary-token' });
      t.deepEqual(context?.tools, ['read']);
      t.deepEqual(context?.claims, request.claims);
      t.is(context?.generation, 1);
    },
  );

  contract('a creation without a Worker id gets a new, unique one', async (t, scene) => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => scene.create()));
    t.is(new Set(ids).size, 20);
    for (const id of ids) t.true(/^worker_[0-9a-z]{26}$/.test(id), id);
  });

  contract(
    'P11: an initial input is stored atomically with the creation, and then runs',
    async (t, scene) => {
      const { worker, input } = await scene.api.createWorker({
        engine: 'scripted',
        initialInput: { text: 'hello', metadata: { from: 'a test' } },
      });
      await scene.happens(worker.workerId, 'run.finished');
      const log = await scene.log(worker.workerId);
      t.deepEqual(
        log.map(({ type }) => type),
        [
          'worker.created',
          'execution.attached',
          'input.accepted',
          'run.started',
          'message.completed',
          'usage.recorded',
          'run.finished',
        ],
      );
      t.is(input?.seq, 3);
      t.is(input?.runId, log[2]?.run);
      t.is(input?.queued, false);
      const { items } = await scene.api.events(worker.workerId, { after: input?.cursor ?? '' });
      t.deepEqual(items, log.slice(2));
      t.deepEqual((await scene.only(worker.workerId, 'input.accepted'))[0]?.data.metadata, {
        from: 'a test',
      });
    },
  );

  contract('P11: a creation with a failing attach or an invalid input creates nothing', async (t, scene) => {
    scene.engine.attachScript = [{ type: 'throw', error: new Error('no') }];
    const request = {
      engine: 'scripted',
      workerId: 'ada',
      claims: [{ name: 'x', resource: 'fs:/x', mode: 'write' }],
    } as const;
    await scene.refuses('ENGINE_UNAVAILABLE', 'a failing attach', () =>
      scene.api.createWorker({ ...request, initialInput: { text: 'hello' } }, { idempotencyKey: 'key' }),
    );
    await scene.engine.called('forget', 'ada');
    await scene.refuses('INVALID_REQUEST', 'an empty input', () =>
      scene.api.createWorker({ ...request, initialInput: { text: '' } }),
    );
    await scene.refuses('WORKER_NOT_FOUND', 'the Worker', () => scene.api.getWorker('ada'));
    t.deepEqual((await scene.api.listWorkers()).items, []);
    t.is((await scene.api.summary()).workers.total, 0);
    scene.engine.attachScript = [];
    const { worker, replayed } = await scene.api.createWorker(request, { idempotencyKey: 'key' });
    t.is(replayed, false);
    t.is(worker.lastSeq, 2);
  });

  contract(
    'P18: an unknown engine, profile, bundle, tool, key or parent is refused, without a default',
    async (t, scene) => {
      await scene.api.putBundle(DIGEST, PROFILES);
      const cases: readonly (readonly [ErrorCode, CreateWorker])[] = [
        ['ENGINE_UNKNOWN', { engine: 'absent' }],
        ['ENGINE_UNKNOWN', { bundle: BUNDLE, profile: 'unknown' }],
        ['INVALID_REQUEST', {}],
        ['INVALID_REQUEST', { bundle: BUNDLE }],
        ['PROFILE_INVALID', { profile: 'companion' }],
        ['PROFILE_INVALID', { engine: 'scripted', profile: 'companion' }],
        ['PROFILE_INVALID', { bundle: BUNDLE, profile: 'absent' }],
        ['PROFILE_INVALID', { bundle: BUNDLE, profile: 'constructor' }],
        ['PROFILE_INVALID', { bundle: BUNDLE, profile: 'companion', engine: 'other' }],
        [
          'BUNDLE_NOT_FOUND',
          { engine: 'scripted', bundle: { id: 'team-docs', digest: bundleDigest({ id: 'x' }) } },
        ],
        ['BUNDLE_DIGEST_MISMATCH', { engine: 'scripted', bundle: { id: 'other', digest: DIGEST } }],
        ['TOOL_UNKNOWN', { engine: 'scripted', tools: ['read', 'delete-everything'] }],
        ['CONFIG_UNSUPPORTED', { engine: 'scripted', config: { unknown: true } }],
        ['CONFIG_UNSUPPORTED', { bundle: BUNDLE, profile: 'companion', tools: ['write'] }],
        ['INVALID_REQUEST', { engine: 'scripted', parent: 'absent' }],
      ];
      for (const [code, request] of cases) {
        await scene.refuses(code, JSON.stringify(request), () => scene.api.createWorker(request));
      }
      t.deepEqual((await scene.api.listWorkers()).items, []);
      t.deepEqual(
        scene.engine.calls.filter(({ call }) => call === 'attach'),
        [],
      );
    },
  );

  contract(
    'a Worker id in use is refused, and of two concurrent creations one succeeds',
    async (t, scene) => {
      const attempts = await Promise.allSettled([
        scene.create({ workerId: 'ada' }),
        scene.create({ workerId: 'ada' }),
      ]);
      t.is(attempts.filter(({ status }) => status === 'fulfilled').length, 1);
      const rejected = attempts.find((attempt) => attempt.status === 'rejected');
      await scene.refuses('WORKER_EXISTS', 'the other creation', () => Promise.reject(rejected?.reason));
      await scene.refuses('WORKER_EXISTS', 'a later creation', () => scene.create({ workerId: 'ada' }));
      t.is((await scene.api.listWorkers()).items.length, 1);
    },
  );

  contract(
    'P9: a repeated creation with the same key creates nothing and gets the first answer',
    async (t, scene) => {
      const request = { engine: 'scripted', labels: { a: '1', b: '2' }, initialInput: { text: 'hello' } };
      const first = await scene.api.createWorker(request, { idempotencyKey: 'key' });
      const again = await scene.api.createWorker(
        { initialInput: { text: 'hello' }, labels: { b: '2', a: '1' }, engine: 'scripted' },
        { idempotencyKey: 'key' },
      );
      t.is(first.replayed, false);
      t.is(again.replayed, true);
      t.is(again.worker.workerId, first.worker.workerId);
      t.deepEqual(again.input, first.input && { ...first.input, replayed: true });
      await scene.refuses('IDEMPOTENCY_MISMATCH', 'another request with the key', () =>
        scene.api.createWorker({ engine: 'scripted' }, { idempotencyKey: 'key' }),
      );
      t.is((await scene.api.listWorkers()).items.length, 1);
      t.is((await scene.only(first.worker.workerId, 'input.accepted')).length, 1);
    },
  );

  contract(
    'a repeated creation is refused while the first call with its key is in progress',
    async (t, scene) => {
      scene.engine.attachScript = [{ type: 'gate', gate: 'attach' }];
      const request = { engine: 'scripted', workerId: 'ada' };
      const first = scene.api.createWorker(request, { idempotencyKey: 'key' });
      await scene.engine.gate('attach').reached;
      await scene.refuses('IDEMPOTENCY_IN_FLIGHT', 'the same request', () =>
        scene.api.createWorker(request, { idempotencyKey: 'key' }),
      );
      await scene.refuses('WORKER_EXISTS', 'the reserved id', () => scene.create({ workerId: 'ada' }));
      await scene.refuses('WORKER_NOT_FOUND', 'the incomplete Worker', () => scene.api.getWorker('ada'));
      t.deepEqual((await scene.api.listWorkers()).items, []);
      scene.engine.gate('attach').open();
      t.is((await first).replayed, false);
      t.is((await scene.api.createWorker(request, { idempotencyKey: 'key' })).replayed, true);
    },
  );

  contract('a creation key of a deleted Worker creates a new Worker', async (t, scene) => {
    const request = { engine: 'scripted', workerId: 'ada' };
    await scene.api.createWorker(request, { idempotencyKey: 'key' });
    await scene.api.stopWorker('ada');
    await scene.api.deleteWorker('ada');
    t.is((await scene.api.createWorker(request, { idempotencyKey: 'key' })).replayed, false);
  });
};
