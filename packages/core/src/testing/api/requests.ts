import type { Answer, Question } from '../../contracts/engine.ts';
import type { JsonValue } from '../../contracts/json.ts';
import type { Contract } from './contract.ts';

const QUESTION: Question = {
  kind: 'permission',
  prompt: 'May I write to the file?',
  call: 'c1',
  options: [
    { id: 'allow', label: 'Allow once', kind: 'allow-once' },
    { id: 'deny', kind: 'reject-once' },
  ],
};

/** Returns steps that send a message with the answer that the run received. */
const reportAnswer = ({ decision, by, note }: Answer) =>
  [
    { type: 'message', parts: [{ type: 'text', text: JSON.stringify([decision, by, note ?? null]) }] },
  ] as const;

export const requestTests = (contract: Contract): void => {
  contract('a run waits for the answer to its request, then continues with it', async (t, scene) => {
    scene.plays({ ask: [{ type: 'ask', question: QUESTION, reply: reportAnswer }] });
    const workerId = await scene.create();
    t.deepEqual((await scene.api.listRequests(workerId)).items, []);
    const { runId } = await scene.api.sendInput(workerId, { text: 'ask' });
    const requestId = await scene.requestOf(workerId);
    const [request] = (await scene.api.listRequests(workerId)).items;
    const { kind, prompt, call, options } = request ?? {};
    t.deepEqual(
      { kind, prompt, call, options },
      {
        ...QUESTION,
        options: [
          { id: 'allow', label: 'Allow once', kind: 'allow-once' },
          { id: 'deny', label: 'deny', kind: 'reject-once' },
        ],
      },
    );
    t.is(request?.schema, null);
    const viewer = scene.view(workerId);
    await viewer.until('a snapshot', ({ items }) => items.length > 0);
    const [snapshot] = viewer.items;
    t.deepEqual(snapshot?.type === 'snapshot' && snapshot.requests, [request]);
    t.is(request?.runId, runId);
    t.is(request?.expiresAt, null);
    const worker = await scene.api.getWorker(workerId);
    t.is(worker.status, 'waiting');
    t.is(worker.run?.runId, runId);
    await scene.refuses('WORKER_BUSY', 'an input', () => scene.api.sendInput(workerId, { text: 'hello' }));
    const answer = { decision: 'allow', note: 'once' };
    t.deepEqual(await scene.api.respond(workerId, requestId, answer), { changed: true });
    const after = await scene.happens(workerId, 'run.finished');
    t.is(after.status, 'idle');
    const [resolved] = await scene.only(workerId, 'request.resolved');
    t.deepEqual(resolved?.data, { request: requestId, ...answer, by: 'client' });
    t.deepEqual(scene.engine.sessions[0]?.runs[0]?.answers, [{ ...answer, by: 'client' }]);
    t.deepEqual((await scene.api.listRequests(workerId)).items, []);
  });

  contract(
    'the open requests of all Workers are one list, oldest first, in pages of any size',
    async (t, scene) => {
      const ask = (prompt: string) => ({ type: 'ask', question: { ...QUESTION, prompt } }) as const;
      scene.plays({ one: [ask('one'), ask('one more')], two: [ask('two')], three: [ask('three')] });
      const { api } = scene;
      const list = (limit: number) => scene.all((after) => api.listOpenRequests({ after, limit }));
      const prompts = async (limit = 10) =>
        (await list(limit)).map(({ workerId, prompt }) => `${workerId} ${prompt}`);
      t.deepEqual(await prompts(), []);
      for (const workerId of ['three', 'one', 'two']) {
        await scene.create({ workerId });
        await api.sendInput(workerId, { text: workerId });
        await scene.requestOf(workerId);
      }
      for (const limit of [1, 2, 3, 4])
        t.deepEqual(await prompts(limit), ['three three', 'one one', 'two two']);
      const [, listed] = await list(10);
      const [own] = (await api.listRequests('one')).items;
      t.deepEqual(listed, { workerId: 'one', ...(own as NonNullable<typeof own>) });
      const { next, asOf } = await api.listOpenRequests({ limit: 2 });
      await api.respond('one', own?.requestId ?? '', { decision: 'allow' });
      await scene.happens('one', 'request.opened', 2);
      t.deepEqual(await prompts(), ['three three', 'two two', 'one one more']);
      // the position of a request that was answered in the meantime is still valid
      const { items } = await api.listOpenRequests({ after: next ?? '' });
      t.deepEqual(
        items.map(({ workerId }) => workerId),
        ['two', 'one'],
      );
      // a watch from the list has the Workers whose requests changed after it
      for await (const item of api.watch({ after: asOf })) {
        if (item.type !== 'worker') continue;
        t.is(item.worker.workerId, 'one');
        break;
      }
      await api.stopWorker('three');
      await api.cancelRun('two');
      t.deepEqual(await prompts(), ['one one more']);
      await api.cancelRun('one');
      t.deepEqual(await prompts(), []);
    },
  );

  contract('a request takes one answer, which must be one of its options', async (t, scene) => {
    scene.plays({
      ask: [
        { type: 'ask', question: QUESTION },
        { type: 'gate', gate: 'after' },
      ],
    });
    const workerId = await scene.create();
    await scene.api.sendInput(workerId, { text: 'ask' });
    const requestId = await scene.requestOf(workerId);
    const respond = (decision: string, id = requestId) => scene.api.respond(workerId, id, { decision });
    const { issues } = await scene.refuses('INVALID_REQUEST', 'an unknown option', () => respond('perhaps'));
    t.is((issues as readonly { readonly pointer: string }[])[0]?.pointer, '/decision');
    await scene.refuses('REQUEST_NOT_FOUND', 'an unknown request', () => respond('allow', 'request_unknown'));
    t.is((await scene.api.getWorker(workerId)).status, 'waiting');
    t.deepEqual(await respond('deny'), { changed: true });
    t.deepEqual(await respond('deny'), { changed: false });
    await scene.refuses('REQUEST_RESOLVED', 'another answer', () => respond('allow'));
    t.is((await scene.only(workerId, 'request.resolved')).length, 1);
    t.is((await scene.api.getWorker(workerId)).status, 'running');
    scene.engine.gate('after').open();
    await scene.happens(workerId, 'run.finished');
    t.deepEqual(await respond('deny'), { changed: false });
    await scene.refuses('REQUEST_RESOLVED', 'another answer after the run', () => respond('allow'));
  });

  contract('a request with a schema takes a value, which its engine checks', async (t, scene) => {
    const schema = { type: 'object', properties: { name: { type: 'string' } } };
    const checkValue = (value: JsonValue): string | null =>
      typeof value === 'object' && value !== null && 'name' in value ? null : 'must have a name';
    const question: Question = {
      kind: 'question',
      prompt: 'Who?',
      options: [{ id: 'send', kind: 'allow-once' }, 'decline'],
      schema,
      checkValue,
    };
    scene.plays({
      ask: [
        { type: 'ask', question },
        { type: 'ask', question },
      ],
    });
    const workerId = await scene.create();
    await scene.api.sendInput(workerId, { text: 'ask' });
    const requestId = await scene.requestOf(workerId);
    t.deepEqual((await scene.api.listRequests(workerId)).items[0]?.schema, schema);
    const { issues } = await scene.refuses('INVALID_REQUEST', 'a value that does not fit', () =>
      scene.api.respond(workerId, requestId, { decision: 'send', value: { age: 1 } }),
    );
    t.deepEqual(issues, [{ pointer: '/value', message: 'must have a name' }]);
    const value = { name: 'Ada', tags: [1, null] };
    await scene.api.respond(workerId, requestId, { decision: 'send', value });
    await scene.happens(workerId, 'request.opened', 2);
    const [second] = (await scene.api.listRequests(workerId)).items;
    await scene.api.respond(workerId, second?.requestId ?? '', { decision: 'decline' });
    await scene.happens(workerId, 'run.finished');
    t.deepEqual(scene.engine.sessions[0]?.runs[0]?.answers, [
      { decision: 'send', value, by: 'client' },
      { decision: 'decline', by: 'client' },
    ]);
    t.deepEqual((await scene.only(workerId, 'request.resolved'))[0]?.data.value, value);
  });

  contract('a request without a schema takes no value', async (t, scene) => {
    scene.plays({ ask: [{ type: 'ask', question: QUESTION }] });
    const workerId = await scene.create();
    await scene.api.sendInput(workerId, { text: 'ask' });
    const requestId = await scene.requestOf(workerId);
    const { issues } = await scene.refuses('INVALID_REQUEST', 'a value', () =>
      scene.api.respond(workerId, requestId, { decision: 'allow', value: 1 }),
    );
    t.is((issues as readonly { readonly pointer: string }[])[0]?.pointer, '/value');
  });

  contract('of two concurrent answers exactly one is accepted', async (t, scene) => {
    scene.plays({ ask: [{ type: 'ask', question: QUESTION, reply: reportAnswer }] });
    const workerId = await scene.create();
    await scene.api.sendInput(workerId, { text: 'ask' });
    const requestId = await scene.requestOf(workerId);
    const answers = await Promise.allSettled(
      ['allow', 'deny'].map((decision) => scene.api.respond(workerId, requestId, { decision })),
    );
    t.is(answers.filter(({ status }) => status === 'fulfilled').length, 1);
    const rejected = answers.find((answer) => answer.status === 'rejected');
    await scene.refuses('REQUEST_RESOLVED', 'the other answer', () => Promise.reject(rejected?.reason));
    t.is((await scene.only(workerId, 'request.resolved')).length, 1);
  });

  contract('a request without an answer is resolved by its timeout', async (t, scene) => {
    scene.plays({ ask: [{ type: 'ask', question: { ...QUESTION, timeoutMs: 30 }, reply: reportAnswer }] });
    const workerId = await scene.create();
    await scene.api.sendInput(workerId, { text: 'ask' });
    await scene.happens(workerId, 'run.finished');
    const [opened] = await scene.only(workerId, 'request.opened');
    const expiresInMs = Date.parse(opened?.data.expiresAt ?? '') - Date.parse(opened?.time ?? '');
    // on a slow machine the event may be written after the time that it names
    t.true(expiresInMs <= 30, String(expiresInMs));
    const [resolved] = await scene.only(workerId, 'request.resolved');
    t.deepEqual(resolved?.data, { request: opened?.data.request, decision: null, by: 'timeout' });
    t.deepEqual(scene.engine.sessions[0]?.runs[0]?.answers, [{ decision: null, by: 'timeout' }]);
    t.is((await scene.only(workerId, 'run.finished'))[0]?.data.outcome, 'completed');
    await scene.refuses('REQUEST_RESOLVED', 'a late answer', () =>
      scene.api.respond(workerId, opened?.data.request ?? '', { decision: 'allow' }),
    );
  });

  for (const command of ['cancelRun', 'stopWorker'] as const) {
    contract(`${command} resolves the open request of the run that it ends`, async (t, scene) => {
      scene.plays({ ask: [{ type: 'ask', question: QUESTION, reply: reportAnswer }] });
      const workerId = await scene.create();
      await scene.api.sendInput(workerId, { text: 'ask' });
      const requestId = await scene.requestOf(workerId);
      t.is((await scene.api[command](workerId)).changed, true);
      t.deepEqual(scene.engine.sessions[0]?.runs[0]?.answers, [{ decision: null, by: 'cancel' }]);
      const [resolved] = await scene.only(workerId, 'request.resolved');
      t.deepEqual(resolved?.data, { request: requestId, decision: null, by: 'cancel' });
      const types = await scene.typesOf(workerId);
      t.true(types.indexOf('request.resolved') < types.indexOf('run.finished'));
      t.deepEqual((await scene.api.listRequests(workerId)).items, []);
      await scene.refuses('REQUEST_RESOLVED', 'a late answer', () =>
        scene.api.respond(workerId, requestId, { decision: 'allow' }),
      );
    });
  }

  contract(
    'a run may open several requests in turn, and the Worker is running between them',
    async (t, scene) => {
      const ask = (prompt: string) => ({ type: 'ask', question: { ...QUESTION, prompt } }) as const;
      scene.plays({ ask: [ask('one'), { type: 'gate', gate: 'between' }, ask('two'), ask('three')] });
      const workerId = await scene.create();
      await scene.api.sendInput(workerId, { text: 'ask' });
      for (const [index, prompt] of ['one', 'two', 'three'].entries()) {
        await scene.happens(workerId, 'request.opened', index + 1);
        const { items } = await scene.api.listRequests(workerId);
        t.deepEqual(
          items.map((item) => item.prompt),
          [prompt],
        );
        await scene.api.respond(workerId, items[0]?.requestId ?? '', { decision: 'allow' });
        if (index === 0) {
          await scene.engine.gate('between').reached;
          t.is((await scene.api.getWorker(workerId)).status, 'running');
          scene.engine.gate('between').open();
        }
      }
      t.is((await scene.happens(workerId, 'run.finished')).status, 'idle');
    },
  );
};
