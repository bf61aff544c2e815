import type { Answer, Question } from '../../contracts/engine.ts';
import type { Contract } from './contract.ts';

const QUESTION: Question = {
  kind: 'permission',
  prompt: 'May I write to the file?',
  call: 'c1',
  options: ['allow', 'deny'],
};

/** What the run says about its answer. */
const told = ({ decision, by, note }: Answer) =>
  [
    { type: 'message', parts: [{ type: 'text', text: JSON.stringify([decision, by, note ?? null]) }] },
  ] as const;

export const requestTests = (contract: Contract): void => {
  contract('a run waits for its request, and goes on with the answer', async (t, scene) => {
    scene.plays({ ask: [{ type: 'ask', question: QUESTION, reply: told }] });
    const workerId = await scene.create();
    t.deepEqual((await scene.api.listRequests(workerId)).items, []);
    const { runId } = await scene.api.sendInput(workerId, { text: 'ask' });
    const requestId = await scene.requestOf(workerId);
    const [request] = (await scene.api.listRequests(workerId)).items;
    const { kind, prompt, call, options } = request ?? {};
    t.deepEqual({ kind, prompt, call, options }, { ...QUESTION });
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

  contract('a request is answered once, with one of its options', async (t, scene) => {
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
    const { issues } = await scene.refuses('INVALID_REQUEST', 'no option', () => respond('perhaps'));
    t.is((issues as readonly { readonly pointer: string }[])[0]?.pointer, '/decision');
    await scene.refuses('REQUEST_NOT_FOUND', 'unknown', () => respond('allow', 'request_unknown'));
    t.is((await scene.api.getWorker(workerId)).status, 'waiting');
    t.deepEqual(await respond('deny'), { changed: true });
    t.deepEqual(await respond('deny'), { changed: false });
    await scene.refuses('REQUEST_RESOLVED', 'another answer', () => respond('allow'));
    t.is((await scene.only(workerId, 'request.resolved')).length, 1);
    t.is((await scene.api.getWorker(workerId)).status, 'running');
    scene.engine.gate('after').open();
    await scene.happens(workerId, 'run.finished');
    t.deepEqual(await respond('deny'), { changed: false });
    await scene.refuses('REQUEST_RESOLVED', 'after its run', () => respond('allow'));
  });

  contract('of two answers at once one counts', async (t, scene) => {
    scene.plays({ ask: [{ type: 'ask', question: QUESTION, reply: told }] });
    const workerId = await scene.create();
    await scene.api.sendInput(workerId, { text: 'ask' });
    const requestId = await scene.requestOf(workerId);
    const answers = await Promise.allSettled(
      ['allow', 'deny'].map((decision) => scene.api.respond(workerId, requestId, { decision })),
    );
    t.is(answers.filter(({ status }) => status === 'fulfilled').length, 1);
    const lost = answers.find((answer) => answer.status === 'rejected');
    await scene.refuses('REQUEST_RESOLVED', 'the other', () => Promise.reject(lost?.reason));
    t.is((await scene.only(workerId, 'request.resolved')).length, 1);
  });

  contract('a request that nobody answers in its time is answered by that', async (t, scene) => {
    scene.plays({ ask: [{ type: 'ask', question: { ...QUESTION, timeoutMs: 30 }, reply: told }] });
    const workerId = await scene.create();
    await scene.api.sendInput(workerId, { text: 'ask' });
    await scene.happens(workerId, 'run.finished');
    const [opened] = await scene.only(workerId, 'request.opened');
    const expiresInMs = Date.parse(opened?.data.expiresAt ?? '') - Date.parse(opened?.time ?? '');
    t.true(expiresInMs >= 0 && expiresInMs <= 30, String(expiresInMs));
    const [resolved] = await scene.only(workerId, 'request.resolved');
    t.deepEqual(resolved?.data, { request: opened?.data.request, decision: null, by: 'timeout' });
    t.deepEqual(scene.engine.sessions[0]?.runs[0]?.answers, [{ decision: null, by: 'timeout' }]);
    t.is((await scene.only(workerId, 'run.finished'))[0]?.data.outcome, 'completed');
    await scene.refuses('REQUEST_RESOLVED', 'too late', () =>
      scene.api.respond(workerId, opened?.data.request ?? '', { decision: 'allow' }),
    );
  });

  for (const command of ['cancelRun', 'stopWorker'] as const) {
    contract(`a request ends with its run: ${command}`, async (t, scene) => {
      scene.plays({ ask: [{ type: 'ask', question: QUESTION, reply: told }] });
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
      await scene.refuses('REQUEST_RESOLVED', 'too late', () =>
        scene.api.respond(workerId, requestId, { decision: 'allow' }),
      );
    });
  }

  contract('several requests in a row, and the Worker runs between them', async (t, scene) => {
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
  });
};
