/** Creating Workers, and the runtimes that they live in. */
import { type Engine, engine, inputText } from '@worker-runtime/core';
import { assertHarmless, browserTest, openPage } from '@worker-runtime/test-environment/browser';
import { NewWorkerPage } from './pages/new-worker-page.ts';
import { RuntimesPage } from './pages/runtimes-page.ts';
import { WorkerPage } from './pages/worker-page.ts';
import { Served } from './served.ts';
import { until } from './until.ts';

const clerk: Engine = {
  ...engine(
    'clerk',
    async function* ({ input }, { config, tools }) {
      yield {
        type: 'message',
        parts: [{ type: 'text', text: `${inputText(input)} ${JSON.stringify({ config, tools })}` }],
      };
    },
    { placement: 'backendInternal', tools: ['read', 'write'], access: { filesystem: true } },
  ),
  configSchema: {
    type: 'object',
    properties: {
      tone: { type: 'string', title: 'Tone', enum: ['formal', 'friendly'] },
      limit: { type: 'integer', title: 'Limit', minimum: 1 },
    },
  },
};

browserTest('the form of an engine creates a Worker with what is ticked, and nothing else', async (t) => {
  const served = await Served.start(t, { engines: [clerk] });
  const { runtime, url } = served;
  const opened = await openPage(t, url);
  const page = new NewWorkerPage(opened.page);
  await page.open(url);
  await page.field('Engine').selectOption('clerk');
  await opened.page.getByText('Runs of this engine can reach: filesystem.').waitFor();
  for (const tool of ['read', 'write']) t.false(await page.tool(tool).isChecked(), tool);
  await page.field('Id').fill('ada');
  await page.field('Name').fill('Ada');
  await page.field('Labels').fill('team=docs\nrepo=a b');
  await page.tool('read').check();
  await page.field('Tone').selectOption({ label: 'friendly' });
  await page.field('Limit').fill('3');
  await page.field('First input').fill('hello');
  const code = await page.code();
  for (const part of ['curl', '"workerId": "ada"', 'createWorker', 'workerId: "ada"', '"tone": "friendly"'])
    t.true(code.includes(part) || code.replaceAll(' ', '').includes(part.replaceAll(' ', '')), part);
  await page.create.click();
  await new WorkerPage(opened.page).shows('hello {"config":{"tone":"friendly","limit":3},"tools":["read"]}');
  const worker = await runtime.getWorker('ada');
  t.like(worker, {
    displayName: 'Ada',
    engine: 'clerk',
    labels: { team: 'docs', repo: 'a b' },
    tools: ['read'],
  });

  // a second one with the same id: the fault is beside its field, and the form keeps what was written
  await page.open(url);
  await page.field('Id').fill('ada');
  await page.field('Name').fill('Another');
  await page.create.click();
  await page.faults.first().waitFor();
  t.regex((await page.faults.first().textContent()) ?? '', /exist/i);
  t.is(await page.field('Name').inputValue(), 'Another');
  t.is((await runtime.listWorkers()).items.length, 1);
  await assertHarmless(t, opened);
});

browserTest('the Runtimes page shows a runtime as it is: connected, lost, and connected again', async (t) => {
  const served = await Served.start(t, { engines: [clerk] });
  const { runtimeId } = served.runtime;
  await served.runtime.createWorker({ engine: 'clerk', workerId: 'ada' });
  const opened = await openPage(t, served.url);
  const page = new RuntimesPage(opened.page);
  await page.open(served.url);
  const stateIs = (state: string) =>
    until(
      opened.page,
      `document.querySelector('[data-runtime="${runtimeId}"] [data-state]')?.dataset.state === '${state}'`,
    );
  await stateIs('live');
  const card = (await page.card(runtimeId).textContent()) ?? '';
  for (const text of [runtimeId, 'memory, lost at exit', 'clerk', 'reaches files', 'read write', 'idle'])
    t.true(card.includes(text), text);
  await served.stop();
  await stateIs('lost');
  t.is(await page.state(runtimeId).textContent(), 'not connected');
  await served.begin();
  await stateIs('live');
  await assertHarmless(t, opened);
});
