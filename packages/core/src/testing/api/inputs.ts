import type { Contract } from './contract.ts';

export const inputTests = (contract: Contract): void => {
  contract('P9: an acknowledged input is in the log, before all events of its run', async (t, scene) => {
    const workerId = await scene.create();
    for (let round = 0; round < 5; round += 1) {
      const receipt = await scene.api.sendInput(workerId, { text: `hello ${round}` });
      const { items } = await scene.api.events(workerId, { after: receipt.cursor, limit: 1 });
      const [event] = items;
      t.is(event?.type, 'input.accepted');
      t.is(event?.seq, receipt.seq);
      t.is(event?.run, receipt.runId);
      t.is(event?.type === 'input.accepted' && event.data.input, receipt.inputId);
      t.is(receipt.queued, false);
      t.is(receipt.replayed, false);
      t.is(receipt.run, null);
      await scene.happens(workerId, 'run.finished', round + 1);
    }
    const accepted = new Set<string>();
    for (const { type, run = '' } of await scene.log(workerId)) {
      if (type === 'input.accepted') accepted.add(run);
      else if (run !== '') t.true(accepted.has(run), `${type} follows its input`);
    }
  });

  contract(
    'an input is a text or parts, of the user or the system, and reaches the engine unchanged',
    async (t, scene) => {
      const workerId = await scene.create();
      const parts = [
        { type: 'text', text: 'one' },
        { type: 'text', text: ' two 👩‍👩‍👧' },
      ] as const;
      await scene.say(workerId, { text: 'plain' });
      await scene.say(workerId, { parts, role: 'system', metadata: { deep: [1, null, { a: 'b' }] } });
      t.deepEqual(
        scene.engine.sessions[0]?.runs.map(({ input }) => input),
        [
          { role: 'user', parts: [{ type: 'text', text: 'plain' }] },
          { role: 'system', parts, metadata: { deep: [1, null, { a: 'b' }] } },
        ],
      );
      const { items } = await scene.api.transcript(workerId);
      t.deepEqual(
        items.filter(({ role }) => role !== 'assistant').map((item) => [item.role, item.parts]),
        [
          ['user', [{ type: 'text', text: 'plain' }]],
          ['system', parts],
        ],
      );
    },
  );

  contract('an input has the ids that its caller gives it', async (t, scene) => {
    const workerId = await scene.create();
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const { runId } = await scene.api.sendInput(
      workerId,
      { text: 'hello', messageId: 'page-1/7' },
      { traceparent, waitMs: 20_000, idempotencyKey: 'one' },
    );
    const [accepted] = await scene.only(workerId, 'input.accepted');
    t.deepEqual([accepted?.data.messageId, accepted?.data.traceparent], ['page-1/7', traceparent]);
    const { items } = await scene.api.transcript(workerId);
    t.deepEqual([items[0]?.messageId, items[0]?.run], ['page-1/7', runId]);
    for (const [what, messageId, trace] of [
      ['an empty messageId', '', traceparent],
      ['a long messageId', 'm'.repeat(257), traceparent],
      ['a wrong traceparent', 'm', '00-zz-1'],
    ] as const)
      await scene.refuses('INVALID_REQUEST', what, () =>
        scene.api.sendInput(workerId, { text: 'hello', messageId }, { traceparent: trace }),
      );
    t.is((await scene.only(workerId, 'input.accepted')).length, 1);
  });

  contract('P3: of several concurrent inputs exactly one is accepted', async (t, scene) => {
    const workerId = await scene.create();
    scene.plays({ work: [{ type: 'gate', gate: 'work' }] });
    const attempts = await Promise.allSettled(
      Array.from({ length: 8 }, () => scene.api.sendInput(workerId, { text: 'work' })),
    );
    t.is(attempts.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const attempt of attempts) {
      if (attempt.status === 'rejected')
        await scene.refuses('WORKER_BUSY', 'another input', () => Promise.reject(attempt.reason));
    }
    const worker = await scene.api.getWorker(workerId);
    t.is(worker.status, 'running');
    const [accepted] = await scene.only(workerId, 'input.accepted');
    t.is(worker.run?.runId, accepted?.run);
    scene.engine.gate('work').open();
    await scene.happens(workerId, 'run.finished');
    t.is((await scene.only(workerId, 'input.accepted')).length, 1);
  });

  contract('inputs are queued up to the limit, and run in order, one at a time', async (t, scene) => {
    const { limits } = await scene.api.summary();
    const workerId = await scene.createAt('work');
    const queue = Array.from({ length: limits.queuedInputs }, (_, index) => `queued ${index}`);
    const runs: string[] = [];
    for (const text of queue) {
      const receipt = await scene.api.sendInput(workerId, { text, whenBusy: 'queue' });
      t.is(receipt.queued, true);
      runs.push(receipt.runId);
    }
    t.is((await scene.api.getWorker(workerId)).queued, queue.length);
    await scene.refuses('LIMIT_REACHED', 'P23: an input above the limit', () =>
      scene.api.sendInput(workerId, { text: 'one more', whenBusy: 'queue' }),
    );
    await scene.refuses('WORKER_BUSY', 'an input without whenBusy', () =>
      scene.api.sendInput(workerId, { text: 'now' }),
    );
    scene.engine.gate('work').open();
    const worker = await scene.happens(workerId, 'run.finished', queue.length + 1);
    t.is(worker.status, 'idle');
    t.is(worker.queued, 0);
    const bounds = (await scene.log(workerId)).filter(({ type }) => type.startsWith('run.'));
    t.deepEqual(
      bounds.slice(2).map(({ type, run }) => [type, run]),
      runs.flatMap((run) => [
        ['run.started', run],
        ['run.finished', run],
      ]),
    );
    const receipt = await scene.api.sendInput(workerId, { text: 'idle again', whenBusy: 'queue' });
    t.is(receipt.queued, false);
  });

  contract('an input with waitMs is answered with its finished run', async (t, scene) => {
    const workerId = await scene.create();
    scene.plays({
      all: [
        { type: 'text', text: 'first' },
        { type: 'message' },
        { type: 'tool-call', call: 'c1', name: 'read', input: { file: 1 } },
        { type: 'tool-result', call: 'c1', output: [true] },
        { type: 'usage', model: 'm', inputTokens: 1, outputTokens: 2, reasoningTokens: 3 },
        { type: 'usage', inputTokens: 10, outputTokens: 20 },
        { type: 'message', parts: [{ type: 'text', text: 'second' }] },
      ],
      fail: [
        { type: 'text', text: 'half a sen' },
        { type: 'throw', error: new Error('canary') },
      ],
    });
    await scene.say(workerId, 'before');
    const receipt = await scene.api.sendInput(workerId, { text: 'all' }, { waitMs: 20_000 });
    const { run } = receipt;
    t.is(run?.outcome, 'completed');
    t.is(run?.runId, receipt.runId);
    t.is(run?.error, null);
    const { items } = await scene.api.transcript(workerId, { after: receipt.cursor });
    t.deepEqual(run?.messages, items.slice(1));
    t.is(run?.messages.length, 4);
    t.is(run?.usage.inputTokens, 11);
    t.is(run?.usage.outputTokens, 22);
    t.is(run?.usage.reasoningTokens, 3);
    t.deepEqual(Object.keys(run?.usage.byModel ?? {}), ['m']);

    const failed = await scene.api.sendInput(workerId, { text: 'fail' }, { waitMs: 20_000 });
    t.is(failed.run?.outcome, 'failed');
    t.is(failed.run?.error?.code, 'ENGINE_FAILED');
    t.is(failed.run?.messages[0]?.partial, true);
    t.true(!JSON.stringify(failed).includes('canary'), 'P19: no answer contains the thrown message');
    const worker = await scene.api.getWorker(workerId);
    t.is(worker.status, 'idle');
    t.is(worker.execution.connected, true);
    t.is(worker.execution.lastError?.code, 'ENGINE_FAILED');
  });

  contract('waiting for a run ends after waitMs, or when the run opens a request', async (t, scene) => {
    const workerId = await scene.createAt('work');
    const queued = await scene.api.sendInput(workerId, { text: 'next', whenBusy: 'queue' }, { waitMs: 30 });
    t.is(queued.run, null);
    t.is(queued.queued, true);
    const waiting = scene.api.sendInput(workerId, { text: 'last', whenBusy: 'queue' }, { waitMs: 20_000 });
    await scene.happens(workerId, 'input.accepted', 3);
    scene.engine.gate('work').open();
    t.is((await waiting).run?.outcome, 'completed');

    scene.plays({
      ask: [{ type: 'ask', question: { kind: 'question', prompt: 'Well?', options: ['yes'] } }],
    });
    const asking = await scene.api.sendInput(workerId, { text: 'ask' }, { waitMs: 20_000 });
    t.is(asking.run, null);
    t.is((await scene.api.getWorker(workerId)).status, 'waiting');
  });

  contract(
    'P9: a repeated input with the same key happens once and gets the first answer',
    async (t, scene) => {
      const workerId = await scene.create();
      const input = { text: 'hello', metadata: { a: 1, b: 2 } };
      const first = await scene.api.sendInput(workerId, input, { idempotencyKey: 'key', waitMs: 20_000 });
      t.is(first.run?.outcome, 'completed');
      const again = await scene.api.sendInput(
        workerId,
        { metadata: { b: 2, a: 1 }, text: 'hello' },
        { idempotencyKey: 'key', waitMs: 20_000 },
      );
      t.deepEqual(again, { ...first, replayed: true });
      await scene.refuses('IDEMPOTENCY_MISMATCH', 'another input with the key', () =>
        scene.api.sendInput(workerId, { text: 'other' }, { idempotencyKey: 'key' }),
      );
      const other = await scene.create();
      t.is((await scene.api.sendInput(other, input, { idempotencyKey: 'key' })).replayed, false);
      await scene.api.stopWorker(workerId);
      const late = await scene.api.sendInput(workerId, input, { idempotencyKey: 'key' });
      t.deepEqual(
        late,
        { ...first, run: null, waited: null, replayed: true },
        'the key is checked before the status',
      );
      t.is((await scene.only(workerId, 'input.accepted')).length, 1);
    },
  );

  contract('P9: concurrent inputs with the same key happen once', async (t, scene) => {
    const workerId = await scene.create();
    scene.plays({ work: [{ type: 'gate', gate: 'work' }] });
    const attempts = await Promise.allSettled(
      Array.from({ length: 6 }, () =>
        scene.api.sendInput(workerId, { text: 'work' }, { idempotencyKey: 'key' }),
      ),
    );
    const runs = new Set<string>();
    for (const attempt of attempts) {
      if (attempt.status === 'fulfilled') runs.add(attempt.value.runId);
      else await scene.refuses('IDEMPOTENCY_IN_FLIGHT', 'the same key', () => Promise.reject(attempt.reason));
    }
    t.is(runs.size, 1);
    const again = await scene.api.sendInput(workerId, { text: 'work' }, { idempotencyKey: 'key' });
    t.is(again.replayed, true, 'a repetition during the run');
    t.is((await scene.only(workerId, 'input.accepted')).length, 1);
  });

  contract('the key of a refused input may be used again', async (t, scene) => {
    const workerId = await scene.createAt('work');
    await scene.refuses('WORKER_BUSY', 'an input during a run', () =>
      scene.api.sendInput(workerId, { text: 'hello' }, { idempotencyKey: 'key' }),
    );
    scene.engine.gate('work').open();
    await scene.happens(workerId, 'run.finished');
    const receipt = await scene.api.sendInput(workerId, { text: 'hello' }, { idempotencyKey: 'key' });
    t.is(receipt.replayed, false);
  });
};
