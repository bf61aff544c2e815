import type { WorkerEvent } from '../../contracts/event.ts';
import type { UsageOfModel, UsageReport } from '../../contracts/usage.ts';
import type { Contract } from './contract.ts';
import { createWithHistory } from './reading.ts';
import { type Scene, wrong } from './scene.ts';

const KINDS = [
  'inputTokens',
  'outputTokens',
  'cacheReadTokens',
  'cacheWriteTokens',
  'reasoningTokens',
] as const;

type Tokens = Record<(typeof KINDS)[number], number>;

/** Sums up the usage of logs by a key. It does not share code with the runtime. */
const sumsOf = (
  logs: readonly (readonly WorkerEvent[])[],
  keyOf: (event: Extract<WorkerEvent, { readonly type: 'usage.recorded' }>) => string,
): Readonly<Record<string, Tokens>> => {
  const sums: Record<string, Tokens> = {};
  for (const event of logs.flat()) {
    if (event.type !== 'usage.recorded') continue;
    const key = keyOf(event);
    sums[key] ??= Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Tokens;
    for (const kind of KINDS) (sums[key] as Tokens)[kind] += event.data[kind] ?? 0;
  }
  return sums;
};

const modelsOf = (models: readonly UsageOfModel[]) =>
  Object.fromEntries(models.map(({ model, ...tokens }) => [model, tokens]));

/** The parts of a report by the keys of `sumsOf`. */
const keyed = ({ days, workers }: UsageReport) => ({
  days: Object.fromEntries(days.map(({ day, model, ...tokens }) => [`${day} ${model}`, tokens])),
  workers: Object.fromEntries(workers.map(({ workerId, models }) => [workerId, modelsOf(models)])),
});

const reportOf = async (scene: Scene, ids: readonly string[]) => {
  const logs = await Promise.all(ids.map((workerId) => scene.log(workerId)));
  return {
    days: sumsOf(logs, ({ time, data }) => `${time.slice(0, 10)} ${data.model ?? null}`),
    workers: Object.fromEntries(
      ids.map((workerId, at) => [
        workerId,
        sumsOf(logs.slice(at, at + 1), ({ data }) => String(data.model ?? null)),
      ]),
    ),
  };
};

export const usageTests = (contract: Contract): void => {
  contract('P63: the usage by day, model and Worker is that of the logs', async (t, scene) => {
    const silent = await scene.create({ workerId: 'silent' });
    const before = await scene.api.usage();
    t.deepEqual([before.days, before.workers, before.workersWithUsage, before.earlier], [[], [], 0, []]);
    const first = await createWithHistory(scene, 'first');
    const second = await scene.create({ workerId: 'second', displayName: 'Ada', labels: { team: 'blue' } });
    await scene.say(second, 'a few words');
    await scene.say(second, 'and more of them');
    const report = await scene.api.usage();
    t.deepEqual(keyed(report), await reportOf(scene, [first, second]));
    t.is(report.workersWithUsage, 2);
    t.deepEqual(
      report.workers.map(({ workerId, displayName }) => [workerId, displayName]),
      [
        [first, null],
        [second, 'Ada'],
      ],
      'the Worker with most tokens is first',
    );
    const { runtimeId } = await scene.api.summary();
    t.is(report.runtimeId, runtimeId);
    t.is(Date.parse(report.to) - Date.parse(report.from), 30 * 86_400_000);
    t.deepEqual(report.earlier, []);

    const ofTeam = await scene.api.usage({ labels: { team: 'blue' }, days: 1 });
    t.deepEqual(keyed(ofTeam), await reportOf(scene, [second]));
    t.is(ofTeam.from, ofTeam.to);
    const short = await scene.api.usage({ limit: 1 });
    t.deepEqual(short, { ...report, workers: report.workers.slice(0, 1) });
    t.deepEqual((await scene.api.usage({ labels: { team: 'red' } })).days, []);

    await scene.api.stopWorker(first);
    t.deepEqual((await scene.api.usage()).days, report.days, 'a stopped Worker has used what it has used');
    await scene.api.deleteWorker(first);
    t.deepEqual(keyed(await scene.api.usage()), await reportOf(scene, [second]));
    t.is((await scene.api.getWorker(silent)).status, 'idle');
  });

  contract('a query of usage that is not valid is refused', async (t, scene) => {
    for (const query of [{ days: 0 }, { days: 32 }, { days: 1.5 }, { days: wrong('all') }])
      await scene.refuses('INVALID_REQUEST', JSON.stringify(query), () => scene.api.usage(query));
    const { limits } = await scene.api.summary();
    await scene.refuses('LIMIT_TOO_LARGE', 'a limit', () => scene.api.usage({ limit: limits.pageItems + 1 }));
    t.is((await scene.api.usage({ limit: limits.pageItems })).workersWithUsage, 0);
  });

  for (const way of ['restart', 'kill'] as const)
    contract(
      `P63: the usage by day survives a ${way}, and continues`,
      async (t, scene) => {
        const ids = [await createWithHistory(scene, 'first'), await scene.create({ workerId: 'second' })];
        await scene.say('second', 'before');
        const before = await scene.api.usage();
        await scene[way]();
        t.deepEqual(await scene.api.usage(), before);
        await scene.say('second', 'after');
        await scene[way]();
        t.deepEqual(keyed(await scene.api.usage()), await reportOf(scene, ids));
      },
      way,
    );
};
