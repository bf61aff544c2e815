import type { EventType, WorkerEvent } from '../../contracts/event.ts';
import type { TranscriptItem } from '../../contracts/transcript.ts';
import type { Contract } from './contract.ts';
import type { Scene } from './scene.ts';

/** Returns what two Workers have in common if one has the history of the other: everything but the id, and what creates a Worker. */
const sharedOf = (events: readonly WorkerEvent[]) =>
  events.map(({ seq, time, type, run, data }) => ({
    seq,
    time,
    type,
    run,
    data: type === 'worker.created' ? null : data,
  }));

/** Checks that a fork begins with the events of its source, and that its own ones begin with `worker.forked`, after `ends`. */
const checkHistory = async (
  scene: Scene,
  source: string,
  fork: string,
  seq: number,
  ends: readonly EventType[] = [],
): Promise<void> => {
  const { t } = scene;
  const before = (await scene.log(source)).slice(0, seq);
  const log = await scene.log(fork);
  t.deepEqual(sharedOf(log.slice(0, seq)), sharedOf(before));
  t.true(log.every(({ worker }) => worker === fork));
  t.deepEqual(
    log.slice(seq, seq + ends.length + 1).map(({ type }) => type),
    [...ends, 'worker.forked'],
  );
};

export const forkingTests = (contract: Contract): void => {
  contract('P86: a fork begins with the history of its source and goes its own way', async (t, scene) => {
    await scene.create({
      workerId: 'ada',
      displayName: 'Ada',
      labels: { team: 'docs' },
      config: { token: 'canary-token' },
      tools: ['read'],
      claims: [{ name: 'docs', resource: 'fs:/canary/path', mode: 'write' }],
    });
    const photo = await scene.api.putFile('ada', Buffer.from('pixels'), { mediaType: 'image/png' });
    await scene.say('ada', { parts: [{ type: 'text', text: 'one' }, photo] });
    await scene.say('ada', 'two');
    const { lastSeq } = await scene.api.getWorker('ada');
    const { worker, replayed, input } = await scene.api.forkWorker('ada', { workerId: 'ada-2' });
    t.deepEqual([replayed, input], [false, null]);
    t.deepEqual([worker.forkedFrom?.workerId, worker.forkedFrom?.seq], ['ada', lastSeq]);
    t.deepEqual(
      [worker.workerId, worker.displayName, worker.engine, worker.status, worker.labels, worker.tools],
      ['ada-2', 'Ada', scene.engine.name, 'idle', { team: 'docs' }, ['read']],
    );
    t.deepEqual([worker.claims, worker.parent, worker.execution.connected], [[], null, false]);
    t.deepEqual(await scene.api.getWorker('ada-2'), worker);
    t.is((await scene.api.getWorker('ada')).forkedFrom, null);
    await checkHistory(scene, 'ada', 'ada-2', lastSeq);
    await scene.say('ada-2', 'three');
    const { context } = scene.engine.sessions.at(-1) ?? {};
    t.deepEqual([context?.config, context?.claims], [{ token: 'canary-token' }, []]);
    const history: TranscriptItem[] = [];
    for await (const item of context?.history() ?? []) history.push(item);
    const textsOf = (items: readonly TranscriptItem[]): readonly string[] =>
      items.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])));
    const texts = ['one', 'you wrote: one', 'two', 'you wrote: two', 'three', 'you wrote: three'];
    t.deepEqual(textsOf(history), texts);
    t.deepEqual(textsOf((await scene.api.transcript('ada-2')).items), texts);
    t.deepEqual(textsOf((await scene.api.transcript('ada')).items), texts.slice(0, 4));
    t.is((await scene.api.getWorker('ada')).lastSeq, lastSeq);
    t.is(Buffer.from((await scene.api.getFile('ada-2', photo.digest)).bytes).toString(), 'pixels');
    t.true(!JSON.stringify([worker, await scene.log('ada-2')]).includes('canary'), 'P19: nothing private');
  });

  contract('P86: a fork ends at the position that its caller names', async (t, scene) => {
    const workerId = await scene.create({ config: { token: 'x' } });
    await scene.say(workerId, 'one');
    const { asOf, lastSeq } = await scene.api.getWorker(workerId);
    await scene.say(workerId, 'two');
    await scene.api.updateWorker(workerId, { config: { token: 'y' }, tools: ['write'] });
    await scene.api.stopWorker(workerId);
    const { worker } = await scene.api.forkWorker(workerId, {
      at: asOf,
      displayName: 'Another',
      labels: { a: 'b' },
      claims: [{ name: 'docs', resource: 'fs:/docs', mode: 'write' }],
    });
    t.is(worker.forkedFrom?.seq, lastSeq);
    t.deepEqual(
      [worker.displayName, worker.labels, worker.tools, worker.claims],
      ['Another', { a: 'b' }, ['write'], [{ name: 'docs', mode: 'write' }]],
    );
    await checkHistory(scene, workerId, worker.workerId, lastSeq);
    const numbered = await scene.api.forkWorker(workerId, { at: '@1' });
    await checkHistory(scene, workerId, numbered.worker.workerId, 1);
    const whole = await scene.api.forkWorker(workerId);
    t.is(whole.worker.status, 'idle');
    const again = await scene.api.forkWorker(whole.worker.workerId, { at: `@${lastSeq}` });
    await checkHistory(scene, whole.worker.workerId, again.worker.workerId, lastSeq);
    const ofFork = await scene.api.forkWorker(whole.worker.workerId);
    await checkHistory(scene, whole.worker.workerId, ofFork.worker.workerId, whole.worker.lastSeq);
    for (const fork of [worker, numbered.worker, whole.worker, again.worker, ofFork.worker])
      await scene.say(fork.workerId, 'three');
    t.deepEqual(scene.engine.sessions.at(-1)?.context.config, { token: 'y' });
    await scene.refuses('CLAIM_CONFLICT', 'a claim that another fork has', () =>
      scene.api.forkWorker(workerId, { claims: [{ name: 'd', resource: 'fs:/docs/a', mode: 'write' }] }),
    );
  });

  contract('P86: what is active or queued at the position has ended in the fork', async (t, scene) => {
    scene.plays({
      ask: [{ type: 'ask', question: { kind: 'question', prompt: 'Well?', options: ['yes', 'no'] } }],
    });
    const workerId = await scene.create();
    await scene.api.sendInput(workerId, { text: 'ask' });
    const requestId = await scene.requestOf(workerId);
    await scene.api.sendInput(workerId, { text: 'later', whenBusy: 'queue' });
    const { lastSeq } = await scene.api.getWorker(workerId);
    const { worker } = await scene.api.forkWorker(workerId);
    await checkHistory(scene, workerId, worker.workerId, lastSeq, [
      'request.resolved',
      'run.finished',
      'run.finished',
    ]);
    t.deepEqual(
      (await scene.only(worker.workerId, 'run.finished')).map(({ data }) => data.outcome),
      ['interrupted', 'cancelled'],
    );
    t.deepEqual([worker.status, worker.run, worker.queued], ['idle', null, 0]);
    t.deepEqual((await scene.api.listRequests(worker.workerId)).items, []);
    t.deepEqual(
      (await scene.api.listOpenRequests()).items.map((request) => [request.workerId, request.requestId]),
      [[workerId, requestId]],
    );
    await scene.refuses('REQUEST_NOT_FOUND', 'the request of the source', () =>
      scene.api.respond(worker.workerId, 'request_none', { decision: 'yes' }),
    );
    await scene.say(worker.workerId, 'hello');
    t.is((await scene.api.getWorker(workerId)).status, 'waiting', 'the source is not touched');
    await scene.api.respond(workerId, requestId, { decision: 'yes' });
    await scene.happens(workerId, 'run.finished', 2);
  });

  contract('P86: usage counts once, at the Worker that used it', async (t, scene) => {
    const workerId = await scene.create();
    await scene.say(workerId, 'hello');
    const before = await scene.api.usage();
    const { worker } = await scene.api.forkWorker(workerId);
    const of = async (id: string) => (await scene.api.overview(id)).usage.inputTokens;
    t.deepEqual([await of(workerId), await of(worker.workerId)], [5, 0]);
    t.deepEqual((await scene.api.usage()).days, before.days);
    await scene.say(worker.workerId, 'bye');
    t.deepEqual([await of(workerId), await of(worker.workerId)], [5, 3]);
  });

  contract('P86: a repeated fork with the same key makes one Worker', async (t, scene) => {
    const workerId = await scene.create();
    await scene.api.sendInput(workerId, { text: 'hello' }, { idempotencyKey: 'input', waitMs: 20_000 });
    const first = await scene.api.forkWorker(workerId, {}, { idempotencyKey: 'key' });
    await scene.say(workerId, 'more');
    const again = await scene.api.forkWorker(workerId, {}, { idempotencyKey: 'key' });
    t.deepEqual([first.replayed, again.replayed], [false, true]);
    t.is(again.worker.workerId, first.worker.workerId);
    await scene.refuses('IDEMPOTENCY_MISMATCH', 'another request with the key', () =>
      scene.api.forkWorker(workerId, { at: '@2' }, { idempotencyKey: 'key' }),
    );
    const { workerId: fork } = first.worker;
    t.is(
      (await scene.api.sendInput(fork, { text: 'hello' }, { idempotencyKey: 'input', waitMs: 20_000 }))
        .replayed,
      false,
      'the keys of the source are not those of the fork',
    );
  });

  contract('a fork that is not possible is refused, and creates nothing', async (t, scene) => {
    const workerId = await scene.create({ workerId: 'ada' });
    const other = await scene.create({ workerId: 'bob' });
    const { asOf } = await scene.api.getWorker(other);
    await scene.refuses('WORKER_NOT_FOUND', 'an unknown source', () => scene.api.forkWorker('none'));
    await scene.refuses('WORKER_EXISTS', 'an id in use', () =>
      scene.api.forkWorker(workerId, { workerId: 'bob' }),
    );
    await scene.refuses('CURSOR_FOREIGN', 'a number beyond the end', () =>
      scene.api.forkWorker(workerId, { at: '@99' }),
    );
    await scene.refuses('CURSOR_FOREIGN', 'a position of another Worker', () =>
      scene.api.forkWorker(workerId, { at: asOf }),
    );
    await scene.refuses('CURSOR_INVALID', 'no position', () => scene.api.forkWorker(workerId, { at: 'x' }));
    await scene.refuses('INVALID_REQUEST', 'no event', () => scene.api.forkWorker(workerId, { at: '@0' }));
    await scene.refuses('INVALID_REQUEST', 'an unknown field', () =>
      scene.api.forkWorker(workerId, { config: {} } as never),
    );
    scene.engine.capabilities = { ...scene.engine.capabilities, forks: false };
    t.is((await scene.api.getWorker(workerId)).capabilities.operations.fork, false);
    await scene.refuses('OPERATION_UNSUPPORTED', 'an engine that keeps more than the log', () =>
      scene.api.forkWorker(workerId),
    );
    t.is((await scene.api.listWorkers()).items.length, 2);
  });

  for (const way of ['restart', 'kill'] as const)
    contract(
      `P86: a fork survives a ${way}, with its key`,
      async (t, scene) => {
        const workerId = await scene.create();
        await scene.say(workerId, 'hello');
        const { worker } = await scene.api.forkWorker(
          workerId,
          { workerId: 'fork' },
          { idempotencyKey: 'key' },
        );
        await scene.say('fork', 'more');
        const log = await scene.log('fork');
        await scene.api.stopWorker(workerId);
        await scene.api.deleteWorker(workerId);
        await scene[way]();
        t.deepEqual(await scene.log('fork'), log);
        const after = await scene.api.getWorker('fork');
        t.deepEqual([after.forkedFrom, after.createdAt], [worker.forkedFrom, worker.createdAt]);
        t.is((await scene.api.overview('fork')).usage.inputTokens, 4);
        await scene.say('fork', 'even more');
      },
      way,
    );
};
