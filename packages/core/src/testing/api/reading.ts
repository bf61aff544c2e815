import type { Cursor } from '../../contracts/cursor.ts';
import type { EventType, WorkerEvent } from '../../contracts/event.ts';
import type { Page } from '../../contracts/page.ts';
import type { TranscriptItem } from '../../contracts/transcript.ts';
import type { Contract } from './contract.ts';
import { type Scene, wrong } from './scene.ts';

/** Creates a Worker whose log has events of every kind: completed, failed and cancelled runs, tool calls, usage. */
export const createWithHistory = async (scene: Scene, workerId = 'with-history'): Promise<string> => {
  scene.plays({
    all: [
      { type: 'step-start', model: 'm-1' },
      { type: 'reasoning', text: 'hm, ' },
      { type: 'text', text: 'let me look' },
      {
        type: 'message',
        parts: [
          { type: 'reasoning', text: 'hm, ', opaque: { signature: 'sealed-1' } },
          { type: 'text', text: 'let me look' },
          { type: 'reasoning', text: '', opaque: { redacted: 'sealed-2' } },
        ],
      },
      {
        type: 'tool-call',
        call: 'c1',
        name: 'read',
        input: { file: 'a "quoted" \u2028 name' },
        title: 'Read a file',
        kind: 'read',
        locations: [{ path: 'a name', line: 3 }],
        opaque: 'sealed-3',
      },
      { type: 'tool-result', call: 'c1', output: { lines: ['naïve 👩‍👩‍👧', null, 1.5] } },
      { type: 'tool-call', call: 'c2', name: 'write', input: null },
      { type: 'tool-result', call: 'c2', error: 'denied', truncated: true, denied: true },
      { type: 'usage', model: 'm-1', inputTokens: 3, outputTokens: 5, cacheReadTokens: 7 },
      { type: 'step-finish', finish: 'stop' },
      [
        { type: 'notice', severity: 'warning', code: 'SLOW', message: 'that took long' },
        {
          type: 'usage',
          model: 'm-2',
          inputTokens: 1,
          outputTokens: 1,
          cacheWriteTokens: 2,
          reasoningTokens: 4,
        },
        { type: 'usage', inputTokens: 100, outputTokens: 200 },
      ],
      {
        type: 'call',
        call: async (_run, context) => {
          const description = { mediaType: 'text/plain', name: 'x.txt' };
          const file = await context.putFile(Buffer.from('x'), description);
          return [{ type: 'message', parts: [{ type: 'text', text: 'done' }, file] }];
        },
      },
    ],
    fail: [
      { type: 'text', text: 'cut sho' },
      { type: 'throw', error: new Error('no') },
    ],
    hang: [{ type: 'gate', gate: `hang ${workerId}` }],
  });
  await scene.create({ workerId, labels: { kind: 'with-history' } });
  await scene.say(workerId, 'all');
  await scene.say(workerId, { text: 'fail', role: 'system' });
  await scene.api.sendInput(workerId, { text: 'hang' });
  await scene.engine.gate(`hang ${workerId}`).reached;
  await scene.api.cancelRun(workerId);
  await scene.say(workerId, 'hello');
  return workerId;
};

/** Returns the transcript item that an event must lead to. It does not share code with the runtime. */
const itemOf = (event: WorkerEvent): TranscriptItem | null => {
  const { seq, time, run = null } = event;
  const item = (
    id: string,
    role: TranscriptItem['role'],
    parts: TranscriptItem['parts'],
  ): TranscriptItem => ({
    seq,
    id,
    role,
    parts,
    run,
    time,
  });
  if (event.type === 'input.accepted') {
    const { input, role, parts, messageId } = event.data;
    return messageId === undefined ? item(input, role, parts) : { ...item(input, role, parts), messageId };
  }
  if (event.type === 'tool.called') {
    const { call, name, input, title, kind, locations } = event.data;
    const details = { ...(title && { title }), ...(kind && { kind }), ...(locations && { locations }) };
    return item(`${call}@${seq}`, 'assistant', [{ type: 'tool-call', call, name, input, ...details }]);
  }
  if (event.type === 'tool.finished')
    return item(`${event.data.call}@${seq}`, 'tool', [{ type: 'tool-result', ...event.data }]);
  if (event.type === 'run.finished') {
    const { outcome, ...why } = event.data;
    return outcome === 'completed'
      ? null
      : item(`${run}@${seq}`, 'system', [{ type: 'run-end', outcome, ...why }]);
  }
  if (event.type !== 'message.completed') return null;
  const shown = event.data.parts
    .filter((part) => part.type === 'file' || part.text !== '')
    .map((part) => {
      if (part.type === 'file') return part;
      const { id, type, text } = part;
      return { id, type, text };
    });
  const message = item(event.data.message, 'assistant', shown);
  return event.data.partial ? { ...message, partial: true } : message;
};

const NO_USAGE = {
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
};

/** Returns the overview that a log must lead to. It does not share code with the runtime. */
const overviewOf = (workerId: string, log: readonly WorkerEvent[], asOf: Cursor) => {
  const count = (type: string): number => log.filter((event) => event.type === type).length;
  const runs = { completed: 0, failed: 0, cancelled: 0, interrupted: 0 };
  const total = { ...NO_USAGE };
  const byModel: Record<string, typeof total> = {};
  for (const event of log) {
    if (event.type === 'run.finished') runs[event.data.outcome] += 1;
    if (event.type !== 'usage.recorded') continue;
    const { model } = event.data;
    if (model !== undefined) byModel[model] ??= { ...NO_USAGE };
    for (const key of Object.keys(NO_USAGE) as (keyof typeof NO_USAGE)[]) {
      total[key] += event.data[key] ?? 0;
      const own = model === undefined ? undefined : byModel[model];
      if (own) own[key] += event.data[key] ?? 0;
    }
  }
  return {
    workerId,
    events: log.length,
    inputs: count('input.accepted'),
    messages: count('message.completed'),
    toolCalls: count('tool.called'),
    runs,
    usage: { ...total, byModel },
    lastActivityAt: log.at(-1)?.time,
    asOf,
  };
};

/** Reads all pages from the end to the beginning. Returns the items in log order. */
const backwards = async <T>(read: (before: Cursor) => Promise<Page<T>>): Promise<readonly T[]> => {
  let items: readonly T[] = [];
  for (let before: Cursor | null = 'end'; before !== null; ) {
    const page: Page<T> = await read(before);
    items = [...page.items, ...items];
    before = page.next;
  }
  return items;
};

export const readingTests = (contract: Contract): void => {
  contract(
    'P10: the log has numbers, times and unique ids, and records each output of the engine once',
    async (t, scene) => {
      const workerId = await createWithHistory(scene);
      const log = await scene.log(workerId);
      let time = '';
      for (const event of log) {
        t.is(event.worker, workerId);
        t.true(event.time >= time && event.time === new Date(event.time).toISOString(), event.time);
        time = event.time;
      }
      const ids = log.flatMap(({ data }) =>
        'message' in data && 'parts' in data ? [data.message, ...data.parts.map(({ id }) => id)] : [],
      );
      t.is(new Set(ids).size, ids.length, 'messages and parts have unique ids');
      const starts = log.filter(({ type }) => type === 'run.started');
      const ends = log.filter(({ type }) => type === 'run.finished');
      t.deepEqual(
        starts.map(({ run }) => run),
        ends.map(({ run }) => run),
      );
      t.deepEqual(
        (await scene.only(workerId, 'run.finished')).map(({ data }) => data.outcome),
        ['completed', 'failed', 'cancelled', 'completed'],
      );
      t.deepEqual(
        (await scene.only(workerId, 'step.started')).map(({ data }) => data),
        [{ step: 1, model: 'm-1' }],
      );
      t.deepEqual(
        (await scene.only(workerId, 'step.finished')).map(({ data }) => data),
        [{ step: 1, finish: 'stop' }],
      );
      t.deepEqual(
        (await scene.only(workerId, 'tool.finished')).map(({ data }) => data),
        [
          { call: 'c1', output: { lines: ['naïve 👩‍👩‍👧', null, 1.5] } },
          { call: 'c2', error: 'denied', truncated: true, denied: true },
        ],
      );
      t.deepEqual(
        (await scene.only(workerId, 'diagnostic.recorded')).map(({ data }) => data),
        [{ severity: 'warning', code: 'SLOW', message: 'that took long' }],
      );
      const [first] = await scene.only(workerId, 'message.completed');
      t.deepEqual(
        first?.data.parts.map((part) => part.type !== 'file' && [part.type, part.text]),
        [
          ['reasoning', 'hm, '],
          ['text', 'let me look'],
          ['reasoning', ''],
        ],
      );
    },
  );

  contract('the opaque data of an engine comes back to it unchanged, and to it alone', async (t, scene) => {
    const workerId = await createWithHistory(scene);
    const history: TranscriptItem[] = [];
    for await (const item of scene.engine.sessions.at(-1)?.context.history() ?? []) history.push(item);
    const opaque = history.flatMap(({ parts }) =>
      parts.flatMap((part) => ('opaque' in part ? [part.opaque] : [])),
    );
    t.deepEqual(opaque, [{ signature: 'sealed-1' }, { redacted: 'sealed-2' }, 'sealed-3']);
    const [first] = await scene.only(workerId, 'run.finished');
    const { run } = await scene.api.waitForRun(workerId, first?.run ?? '');
    t.is(run?.outcome, 'completed');
    t.true(!/sealed/.test(JSON.stringify(run)));
  });

  contract('the events of a step name it', async (t, scene) => {
    const workerId = await createWithHistory(scene);
    const [first] = await scene.only(workerId, 'run.started');
    const ofRun = (await scene.log(workerId)).filter(({ run }) => run === first?.run);
    const steps = ofRun.flatMap(({ type, data }) => ('step' in data ? [`${type} ${data.step}`] : [type]));
    t.deepEqual(steps.slice(2, 11), [
      'step.started 1',
      'message.completed 1',
      'tool.called 1',
      'tool.finished',
      'tool.called 1',
      'tool.finished',
      'usage.recorded 1',
      'step.finished 1',
      'diagnostic.recorded',
    ]);
  });

  for (const [how, end] of [
    ['fails', [{ type: 'throw', error: new Error('no') }]],
    ['completes', []],
  ] as const)
    contract(`a step that is open when its run ${how} gets an end`, async (t, scene) => {
      scene.plays({ go: [{ type: 'step-start' }, { type: 'text', text: 'so' }, ...end] });
      const workerId = await scene.create();
      await scene.say(workerId, 'go');
      const [finished] = await scene.only(workerId, 'run.finished');
      t.deepEqual(
        (await scene.only(workerId, 'step.finished')).map(({ data }) => data),
        [{ step: 1, finish: finished?.data.outcome }],
      );
      t.is((await scene.typesOf(workerId)).at(-1), 'run.finished');
    });

  contract('half a surrogate pair of an engine does not reach the log', async (t, scene) => {
    scene.plays({
      half: [
        { type: 'text', text: 'a pair \ud83c' },
        { type: 'text', text: '\udf89, half \ud83c' },
        { type: 'message' },
        { type: 'tool-call', call: 'c\ud83c', name: 'n', input: { '\udf89': ['\ud83c'] } },
        { type: 'tool-result', call: 'c\ud83c', error: 'x\ud83c' },
        { type: 'message', parts: [{ type: 'text', text: '\udf89' }] },
        { type: 'text', text: 'the rest \ud83c' },
      ],
    });
    const workerId = await scene.create();
    await scene.say(workerId, 'half');
    const log = JSON.stringify(await scene.log(workerId));
    t.true(!/\\ud[89a-f]/.test(log));
    t.true(/a pair \u{1f389}, half \ufffd/u.test(log));
    t.true(/the rest \ufffd/.test(log));
  });

  contract('events are read in pages of any size', async (t, scene) => {
    const workerId = await createWithHistory(scene);
    const log = await scene.log(workerId);
    const { asOf } = await scene.api.getWorker(workerId);
    for (let limit = 1; limit <= log.length + 1; limit += 1) {
      const events = await scene.all((after) => scene.api.events(workerId, { after, limit }));
      t.is(JSON.stringify(events), JSON.stringify(log), `P5: ${limit} events per page`);
    }
    const whole = await scene.api.events(workerId, { limit: log.length });
    t.is(whole.next, null);
    t.is(whole.asOf, asOf);
    t.deepEqual(await scene.api.events(workerId, { after: asOf }), { items: [], next: null, asOf });
    t.deepEqual((await scene.api.events(workerId, { after: '0' })).items, log);
  });

  contract('pages of events before a position lead back to the beginning', async (t, scene) => {
    const workerId = await createWithHistory(scene);
    const log = await scene.log(workerId);
    for (let limit = 1; limit <= log.length + 1; limit += 1) {
      const events = await backwards((before) => scene.api.events(workerId, { before, limit }));
      t.is(JSON.stringify(events), JSON.stringify(log), `${limit} events per page`);
    }
    const { asOf } = await scene.api.getWorker(workerId);
    const last = await scene.api.events(workerId, { before: 'end', limit: 3 });
    t.deepEqual(last.items, log.slice(-3));
    t.is(last.asOf, asOf);
    const beginning = await scene.api.events(workerId, { before: 'start' });
    t.deepEqual([beginning.items, beginning.next], [[], null]);
    await scene.refuses('INVALID_REQUEST', 'after and before together', () =>
      scene.api.events(workerId, { after: asOf, before: asOf }),
    );
  });

  contract('events of chosen types are read in pages of any size, in both directions', async (t, scene) => {
    const workerId = await createWithHistory(scene);
    const log = await scene.log(workerId);
    const choices: readonly (readonly EventType[])[] = [
      ['run.finished'],
      ['tool.called', 'tool.finished', 'tool.called'],
      ['worker.deleted'],
      ['worker.created', 'message.completed'],
    ];
    for (const types of choices) {
      const expected = log.filter(({ type }) => types.includes(type));
      for (const limit of [1, 2, 100]) {
        const what = `${types.join()}, ${limit} per page`;
        const forward = await scene.all((after) => scene.api.events(workerId, { after, limit, types }));
        t.is(JSON.stringify(forward), JSON.stringify(expected), what);
        const backward = await backwards((before) => scene.api.events(workerId, { before, limit, types }));
        t.is(JSON.stringify(backward), JSON.stringify(expected), `${what}, backward`);
      }
    }
    for (const types of [['tool.eaten'], ['run.finished', 'x'], [''], []])
      await scene.refuses('INVALID_REQUEST', `the types ${types.join()}`, () =>
        scene.api.events(workerId, { types: wrong(types) }),
      );
  });

  contract(
    'the transcript has the inputs, messages and tool calls, the same in both directions',
    async (t, scene) => {
      const workerId = await createWithHistory(scene);
      const expected = (await scene.log(workerId)).map(itemOf).filter((item) => item !== null);
      t.is(expected.length, 14);
      for (let limit = 1; limit <= expected.length + 1; limit += 1) {
        const forward = await scene.all((after) => scene.api.transcript(workerId, { after, limit }));
        t.deepEqual(forward, expected, `forward, ${limit} items per page`);
        const backward = await backwards((before) => scene.api.transcript(workerId, { before, limit }));
        t.deepEqual(backward, expected, `backward, ${limit} items per page`);
      }
      const last = await scene.api.transcript(workerId, { before: 'end', limit: 2 });
      t.deepEqual(last.items, expected.slice(-2));
      t.is(last.asOf, (await scene.api.getWorker(workerId)).asOf);
      for (const event of await scene.log(workerId)) {
        const { asOf } = await scene.api.events(workerId, { limit: event.seq });
        const after = await scene.api.transcript(workerId, { after: asOf });
        const before = await scene.api.transcript(workerId, { before: asOf });
        t.deepEqual([...before.items, ...after.items], expected, `split after event ${event.seq}`);
        t.true(after.items.every(({ seq }) => seq > event.seq));
      }
      t.true(!/sealed/.test(JSON.stringify(expected)));
      await scene.refuses('INVALID_REQUEST', 'after and before together', () =>
        scene.api.transcript(workerId, { after: last.asOf, before: last.asOf }),
      );
    },
  );

  contract('P10: the overview follows from the events', async (t, scene) => {
    const workerId = await createWithHistory(scene);
    const { asOf } = await scene.api.getWorker(workerId);
    const expected = overviewOf(workerId, await scene.log(workerId), asOf);
    t.deepEqual(await scene.api.overview(workerId), expected);
    t.is(expected.usage.byModel['m-2']?.reasoningTokens, 4);
    await scene.api.stopWorker(workerId);
    t.is((await scene.api.overview(workerId)).events, expected.events + 2);
  });

  contract('P7: events and transcript of a stopped Worker stay readable', async (t, scene) => {
    const workerId = await createWithHistory(scene);
    const [log, transcript] = [await scene.log(workerId), await scene.api.transcript(workerId)];
    await scene.api.stopWorker(workerId);
    t.deepEqual((await scene.log(workerId)).slice(0, log.length), log);
    t.deepEqual((await scene.api.transcript(workerId)).items, transcript.items);
    t.is((await scene.api.getWorker(workerId)).status, 'stopped');
  });

  contract('a page size above the limit is refused, not reduced', async (_t, scene) => {
    const workerId = await scene.create();
    const limit = (await scene.api.summary()).limits.pageItems + 1;
    const reads = {
      events: () => scene.api.events(workerId, { limit }),
      transcript: () => scene.api.transcript(workerId, { limit }),
      listWorkers: () => scene.api.listWorkers({ limit }),
      diagnostics: () => scene.api.diagnostics({ limit }),
      listBundles: () => scene.api.listBundles({ limit }),
    };
    for (const [name, read] of Object.entries(reads)) await scene.refuses('LIMIT_TOO_LARGE', name, read);
  });
};
