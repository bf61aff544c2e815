import type { WorkerEvent } from '../../contracts/event.ts';
import type { ArchivedHistory } from '../../contracts/worker.ts';
import type { ScriptStep } from '../engine/script.ts';
import type { Contract } from './contract.ts';
import type { Scene } from './scene.ts';

const SUMMARIZE: readonly ScriptStep[] = [
  { type: 'text', text: 'it was about birds' },
  { type: 'message' },
  { type: 'history-start' },
];
const ASK: readonly ScriptStep[] = [
  {
    type: 'ask',
    question: { kind: 'question', prompt: 'Well?', options: ['yes', 'no'] },
    reply: () => [{ type: 'text', text: 'thanks' }, { type: 'message' }],
  },
];

/** Archives all history of a Worker that may be removed. Returns the number of the last event of it. */
const archiveHistory = async (
  scene: Scene,
  workerId: string,
  archive = `${workerId}.archive`,
): Promise<number> => {
  const query = { workerId, beforeSeq: Number.MAX_SAFE_INTEGER };
  const [old] = (await scene.archives.listHistory(query)).items;
  if (!old) throw new TypeError('No history can go');
  let bytes = 0;
  for await (const chunk of scene.archives.openHistory(workerId, old.throughSeq)) bytes += chunk.length;
  scene.t.true(bytes > 100, 'an archive');
  await scene.archives.removeHistory(workerId, { log: old.log, throughSeq: old.throughSeq, archive });
  return old.throughSeq;
};

/** Creates a Worker with a long history, whose engine has summarized it. */
const createSummarized = async (scene: Scene): Promise<string> => {
  scene.plays({ summarize: SUMMARIZE, ask: ASK });
  const workerId = await scene.create({ labels: { team: 'birds' } });
  for (const text of ['one', 'two', 'three']) await scene.say(workerId, text);
  await scene.say(workerId, 'summarize');
  await scene.say(workerId, 'four');
  return workerId;
};

const historyOf = async (scene: Scene): Promise<readonly string[]> => {
  const items: string[] = [];
  for await (const { seq, role } of scene.engine.sessions.at(-1)?.context.history() ?? [])
    items.push(`${seq} ${role}`);
  return items;
};

/** Checks all that a reader can see of a Worker that had these events and has those after a number. */
const checkReaders = async (
  scene: Scene,
  workerId: string,
  log: readonly WorkerEvent[],
  throughSeq: number,
): Promise<void> => {
  const { api, t } = scene;
  const { archived, lastSeq } = await api.getWorker(workerId);
  const firstSeq = throughSeq + 1;
  t.deepEqual([archived?.firstSeq, archived?.archive], [firstSeq, `${workerId}.archive`]);
  const cursor = (archived as ArchivedHistory).cursor;
  const rest = log.filter(({ seq }) => seq > throughSeq);
  const expired = { workerId, firstSeq, cursor, archive: `${workerId}.archive` };
  for (const after of [undefined, 'start', '0', '@0', '@1', `@${throughSeq - 1}`]) {
    const query = after === undefined ? {} : { after };
    for (const read of [() => api.events(workerId, query), () => api.transcript(workerId, query)])
      t.deepEqual(await scene.refuses('CURSOR_EXPIRED', `after ${after}`, read), expired);
    if (after !== undefined) {
      const { code } = await api
        .observe(workerId, { after })
        [Symbol.asyncIterator]()
        .next()
        .then(
          () => ({ code: 'none' }),
          (error: unknown) => error as { code: string },
        );
      t.is(code, 'CURSOR_EXPIRED', `a stream after ${after}`);
    }
  }
  for (const after of [cursor, `@${throughSeq}`]) {
    const items = await scene.all((at) =>
      api.events(workerId, { after: at === 'start' ? after : at, limit: 3 }),
    );
    t.deepEqual(items, rest, `after ${after}`);
    const viewer = scene.view(workerId, { after });
    if (rest.length > 0) await viewer.until('all', ({ events }) => events.length === rest.length);
    t.deepEqual(
      viewer.events.map(({ event }) => event),
      rest,
    );
  }
  const back: WorkerEvent[] = [];
  for (let before: string | null = 'end'; before !== null; ) {
    const page: Awaited<ReturnType<typeof api.events>> = await api.events(workerId, { before, limit: 4 });
    back.unshift(...page.items);
    before = page.next;
    const gap = { afterSeq: 0, beforeSeq: firstSeq, code: 'HISTORY_ARCHIVED' };
    t.deepEqual(
      page.gaps,
      before === null ? [gap] : undefined,
      'the last page says that more is in an archive',
    );
  }
  t.deepEqual(back, rest, 'pages backwards');
  const { items, next, gaps } = await api.transcript(workerId, { before: 'end', limit: 100 });
  t.is(next, null);
  t.is(gaps?.[0]?.code, 'HISTORY_ARCHIVED');
  t.true(items.length > 0 && items.every(({ seq }) => seq > throughSeq));
  t.is(lastSeq, log.length);
};

/** Tests of Workers whose first events are in an archive. */
export const historyTests = (contract: Contract): void => {
  contract(
    'P85: a reader of archived history gets CURSOR_EXPIRED with the archive, and the state stays true',
    async (t, scene) => {
      const workerId = await createSummarized(scene);
      const { api } = scene;
      const log = await scene.log(workerId);
      const before = {
        overview: await api.overview(workerId),
        usage: (await api.usage()).days,
        history: await historyOf(scene),
      };
      const size = (await api.getWorker(workerId)).stored.eventBytes;
      t.is((await api.getWorker(workerId)).archived, null);
      const throughSeq = await archiveHistory(scene, workerId);
      t.is(log[throughSeq]?.type, 'input.accepted', 'the conversation begins with the input of the summary');
      await checkReaders(scene, workerId, log, throughSeq);
      t.deepEqual(await api.overview(workerId), before.overview);
      t.deepEqual((await api.usage()).days, before.usage);
      t.deepEqual(await historyOf(scene), before.history);
      const { stored } = await api.getWorker(workerId);
      const gone = log.slice(0, throughSeq).map((event) => `${JSON.stringify(event)}\n`);
      t.is(stored.eventBytes, size - Buffer.byteLength(gone.join('')));
      t.is((await api.summary()).store.eventBytes, stored.eventBytes);
      t.deepEqual((await api.listWorkers()).items[0]?.stored, stored);
      const runs = log.filter(({ type }) => type === 'run.started').map(({ run = '' }) => run);
      t.is((await api.getRun(workerId, runs.at(-1) ?? '')).outcome, 'completed');
      await scene.refuses('RUN_NOT_FOUND', 'a run in the archive', () => api.getRun(workerId, runs[0] ?? ''));
      await scene.say(workerId, 'five');
      t.is((await api.overview(workerId)).inputs, before.overview.inputs + 1);
    },
    'archives',
  );

  contract(
    'P85: an input whose event is in an archive is not accepted again',
    async (t, scene) => {
      scene.plays({ summarize: SUMMARIZE });
      const create = { engine: scene.engine.name, workerId: 'ada', initialInput: { text: 'first' } };
      const receipt = await scene.api.createWorker(create, { idempotencyKey: 'creation' });
      await scene.api.waitForRun('ada', receipt.input?.runId ?? '', { waitMs: 20_000 });
      const send = (key: string) =>
        scene.api.sendInput('ada', { text: key }, { idempotencyKey: key, waitMs: 20_000 });
      for (const key of ['a', 'b']) await send(key);
      await scene.say('ada', 'summarize');
      const kept = await send('c');
      await archiveHistory(scene, 'ada');
      const { lastSeq } = await scene.api.getWorker('ada');
      for (const key of ['a', 'b'])
        t.is((await scene.refuses('CURSOR_EXPIRED', key, () => send(key))).archive, 'ada.archive');
      const known = await send('c');
      t.deepEqual([known.inputId, known.replayed], [kept.inputId, true]);
      const again = await scene.api.createWorker(create, { idempotencyKey: 'creation' });
      t.deepEqual([again.replayed, again.input], [true, null]);
      t.is((await scene.api.getWorker('ada')).lastSeq, lastSeq, 'nothing was accepted');
    },
    'archives',
  );

  contract(
    'P85: a run in progress, its requests, queued inputs and the conversation after the summary cannot be removed',
    async (t, scene) => {
      const workerId = await createSummarized(scene);
      const end = (await scene.api.getWorker(workerId)).lastSeq;
      await scene.api.sendInput(workerId, { text: 'ask' });
      const requestId = await scene.requestOf(workerId);
      const later = await scene.api.sendInput(workerId, { text: 'later', whenBusy: 'queue' });
      const log = await scene.log(workerId);
      const bytesOf = async (throughSeq: number): Promise<void> => {
        for await (const _ of scene.archives.openHistory(workerId, throughSeq));
      };
      const summary = log.find(({ type }) => type === 'history.started')?.run;
      const throughSeq = log.findIndex(({ type, run }) => type === 'input.accepted' && run === summary);
      for (const needed of [throughSeq + 1, end, log.length, log.length + 5]) {
        const details = await scene.refuses('INVALID_REQUEST', `through ${needed}`, () => bytesOf(needed));
        t.is(details.lastSeq, throughSeq);
        const part = { log: 'log_x', throughSeq: needed, archive: 'a' };
        await scene.refuses('INVALID_REQUEST', `remove ${needed}`, () =>
          scene.archives.removeHistory(workerId, part),
        );
      }
      t.is(await archiveHistory(scene, workerId), throughSeq);
      await checkReaders(scene, workerId, log, throughSeq);
      t.is((await scene.api.listRequests(workerId)).items[0]?.requestId, requestId);
      await scene.api.respond(workerId, requestId, { decision: 'yes' });
      const { run } = await scene.api.waitForRun(workerId, later.runId, { waitMs: 20_000 });
      t.is(run?.outcome, 'completed', 'the queued input had its run');
    },
    'archives',
  );

  for (const way of ['restart', 'kill'] as const)
    contract(
      `P85: after a ${way}, archived history is as before`,
      async (t, scene) => {
        const workerId = await createSummarized(scene);
        const log = await scene.log(workerId);
        const overview = await scene.api.overview(workerId);
        const throughSeq = await archiveHistory(scene, workerId);
        await scene[way]();
        await checkReaders(scene, workerId, log, throughSeq);
        t.deepEqual(await scene.api.overview(workerId), overview);
        await scene.say(workerId, 'summarize');
        await scene.say(workerId, 'five');
        const longer = [
          ...log,
          ...(await scene.all((after) =>
            scene.api.events(workerId, { after: after === 'start' ? `@${log.length}` : after }),
          )),
        ];
        const further = await archiveHistory(scene, workerId);
        t.true(further > throughSeq);
        await checkReaders(scene, workerId, longer, further);
        await scene[way]();
        await checkReaders(scene, workerId, longer, further);
      },
      way === 'kill' ? 'kill' : 'archives',
    );
};
