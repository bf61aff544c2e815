/** The Usage page: what it sums up, in Node, and what people see of it, in the browser. */
import { inputText } from '@worker-runtime/core';
import type { UsageReport } from '@worker-runtime/core/views';
import { assertHarmless, browserTest, openPage } from '@worker-runtime/test-environment/browser';
import test from 'ava';
import { sumUp } from '../src/app/pages/usage-sums.ts';
import { UsagePage } from './pages/usage-page.ts';
import { Served } from './served.ts';
import { until } from './until.ts';

const PRICES = {
  currency: 'USD',
  models: {
    sonnet: { input: 3, output: 15, cacheRead: 0.5, cacheWrite: 4 },
    'sonnet-*': { input: 1, output: 2 },
    'sonnet-4*': { input: 100, output: 200 },
  },
};

const none = { cacheReadTokens: 0, cacheWriteTokens: 0, reasoningTokens: 0 };
const of = (model: string | null, inputTokens: number, outputTokens: number) => ({
  ...none,
  model,
  inputTokens,
  outputTokens,
});
const report = (part: Partial<UsageReport>): UsageReport => ({
  runtimeId: 'runtime_1',
  from: '2026-02-27',
  to: '2026-03-01',
  days: [],
  workers: [],
  workersWithUsage: 0,
  earlier: [],
  ...part,
});

test('the reports of runtimes are summed up by day, model and Worker, with every day between', (t) => {
  const sums = sumUp(
    [
      report({
        days: [
          { day: '2026-02-27', ...of('sonnet', 1_000_000, 100_000) },
          { day: '2026-03-01', ...of(null, 5, 5) },
        ],
        workers: [{ workerId: 'ada', displayName: 'Ada', models: [of('sonnet', 1_000_000, 100_000)] }],
        workersWithUsage: 1,
        earlier: [of('sonnet', 7, 0)],
      }),
      report({
        runtimeId: 'runtime_2',
        days: [{ day: '2026-02-27', ...of('sonnet-4-5', 10_000_000, 0) }],
        workers: [{ workerId: 'ada', displayName: null, models: [of('sonnet-4-5', 10_000_000, 0)] }],
        workersWithUsage: 3,
      }),
    ],
    PRICES,
  );
  t.deepEqual(
    sums.days.map(({ key, input, output, cost }) => [key, input, output, cost]),
    [
      ['2026-02-27', 11_000_000, 100_000, 1_004.5],
      ['2026-02-28', 0, 0, null],
      ['2026-03-01', 5, 5, null],
    ],
  );
  t.deepEqual(
    sums.models.map(({ key, cost }) => [key, cost]),
    [
      ['sonnet-4-5', 1_000],
      ['sonnet', 4.5],
      ['', null],
    ],
  );
  t.deepEqual(
    sums.workers.map(({ key, displayName }) => [key, displayName]),
    [
      ['runtime_2/ada', null],
      ['runtime_1/ada', 'Ada'],
    ],
  );
  t.deepEqual([sums.workersWithUsage, sums.earlier.input, sums.unpriced], [4, 7, ['']]);
  t.deepEqual(sumUp([], PRICES).days, []);
});

test('a cost counts what a cache has apart, at its own price or that of the input', (t) => {
  const costOfAll = (model: string) =>
    sumUp(
      [
        report({
          days: [
            {
              day: '2026-03-01',
              model,
              inputTokens: 10_000_000,
              outputTokens: 1_000_000,
              cacheReadTokens: 4_000_000,
              cacheWriteTokens: 2_000_000,
              reasoningTokens: 500_000,
            },
          ],
        }),
      ],
      PRICES,
    ).total.cost;
  t.is(costOfAll('sonnet'), 4 * 3 + 4 * 0.5 + 2 * 4 + 15);
  t.is(costOfAll('sonnet-3'), 10 * 1 + 2);
  t.is(costOfAll('opus'), null);
});

const use = async (served: Served, workerId: string, team: string, usage: object): Promise<void> => {
  await served.runtime.createWorker({ engine: 'scripted', workerId, labels: { team } });
  await served.runtime.sendInput(workerId, { text: JSON.stringify(usage) }, { waitMs: 10_000 });
};

const startUsed = async (t: Parameters<typeof Served.start>[0], prices?: typeof PRICES): Promise<Served> => {
  const served = await Served.start(t, { ...(prices && { prices }) });
  served.engine.script = (run) => [
    { type: 'text', text: 'done' },
    { type: 'message' },
    { type: 'usage', ...JSON.parse(inputText(run.input)) },
  ];
  return served;
};

browserTest(
  'P63: the Usage page shows tokens and costs by day, model and Worker, for some days and one label',
  async (t) => {
    const served = await startUsed(t, PRICES);
    await use(served, 'ada', 'blue', { model: 'sonnet', inputTokens: 2_000_000, outputTokens: 100_000 });
    await use(served, 'ben', 'red', { model: 'opus', inputTokens: 10, outputTokens: 1 });
    const opened = await openPage(t, served.url);
    const usage = new UsagePage(opened.page);
    await usage.open(served.url);
    await usage.total.waitFor();
    const { to } = await served.runtime.usage();
    t.regex((await usage.total.textContent()) ?? '', /^2,100,011 tokens of 2 Workers for \$7\.50/);
    t.deepEqual(await usage.lines('Day'), [`${to}|2,000,010|100,001|$7.50`]);
    t.deepEqual(await usage.lines('Model'), ['sonnet|2,000,000|100,000|$7.50', 'opus|10|1|–']);
    t.deepEqual(await usage.lines('Worker'), ['ada|2,000,000|100,000|$7.50', 'ben|10|1|–']);
    t.regex((await opened.page.locator('[data-unpriced]').textContent()) ?? '', /: opus\./);
    t.is(await opened.page.locator('[data-without-prices]').count(), 0);

    // the filters are a part of the address
    await opened.page.getByLabel('Label').fill('team=red');
    await opened.page.keyboard.press('Enter');
    await until(opened.page, `document.querySelectorAll('[data-usage="Worker"] tbody tr').length === 1`);
    t.deepEqual(await usage.lines('Worker'), ['ben|10|1|–']);
    await opened.page.getByLabel('Days').selectOption('7');
    await opened.page.waitForURL(/#\/usage\?(?=.*days=7)(?=.*label=team%3Dred)/);

    // it is the same after a restart of the runtime
    await served.stop();
    await served.begin();
    await opened.page.reload();
    await usage.total.waitFor();
    t.deepEqual(await usage.lines('Worker'), ['ben|10|1|–']);
    await assertHarmless(t, opened);
  },
);

browserTest(
  'without usage and without prices, the Usage page says what would appear and how to set prices',
  async (t) => {
    const served = await startUsed(t);
    const opened = await openPage(t, served.url);
    const usage = new UsagePage(opened.page);
    await usage.open(served.url);
    await opened.page.getByText('No tokens were used yet').waitFor();
    await opened.page.locator('[data-without-prices]').waitFor();
    await opened.page.getByText('--http.prices').waitFor();
    await use(served, 'ada', 'blue', { model: 'sonnet', inputTokens: 5, outputTokens: 6 });
    await opened.page.reload();
    await usage.total.waitFor();
    t.deepEqual(await usage.lines('Model'), ['sonnet|5|6']);
    await assertHarmless(t, opened);
  },
);
