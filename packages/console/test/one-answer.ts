/** The requests that one act of a person answers. */
import { browserTest, openPage } from '@worker-runtime/test-environment/browser';
import type { ExecutionContext } from 'ava';
import { permission } from './asking.ts';
import { InboxPage } from './pages/inbox-page.ts';
import { WorkerPage } from './pages/worker-page.ts';
import { Served } from './served.ts';
import { until } from './until.ts';

const OPEN = `document.querySelectorAll('[data-request][data-open="true"]').length`;

/** Serves Workers that ask, and opens the inbox. */
const openInbox = async (t: ExecutionContext, count: number) => {
  const served = await Served.start(t);
  const { engine, runtime, url } = served;
  engine.script = () => [permission('May I?')];
  for (let at = 0; at < count; at += 1) {
    await runtime.createWorker({ engine: 'scripted', workerId: `asks-${at}` });
    await runtime.sendInput(`asks-${at}`, { text: 'go' });
  }
  const { page } = await openPage(t, url);
  await new InboxPage(page).open(url);
  await until(page, `${OPEN} === ${count}`);
  const open = async (): Promise<number> => (await runtime.listOpenRequests()).items.length;
  return { page, open };
};

browserTest('P90: a double click answers one request, though the next one takes its place', async (t) => {
  const served = await Served.start(t);
  const { engine, runtime, url } = served;
  // the view follows the end, so each request comes to the place of the one before
  engine.script = () => [1, 2, 3].map((at) => permission(`May I, ${at}?`));
  await runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  await runtime.sendInput('ada', { text: 'go' });
  const { page } = await openPage(t, url, { viewport: { width: 1_200, height: 400 } });
  await new WorkerPage(page).open(url, runtime.runtimeId, 'ada');
  const answers: string[] = [];
  page.on('request', (request) => {
    if (request.method() === 'POST') answers.push(request.url());
  });
  const allow = page.getByRole('button', { name: 'Allow' });
  const click = async (clickCount: number): Promise<void> => {
    await page.mouse.down({ clickCount });
    await page.mouse.up({ clickCount });
  };
  await allow.hover();
  await click(1);
  await page.locator('main').getByText('May I, 2?').waitFor();
  await allow.hover();
  await click(2);
  t.is(answers.length, 1);
  await click(1);
  await page.locator('main').getByText('May I, 3?').waitFor();
  t.is(answers.length, 2);
});

for (const [key, decision] of [
  ['a', 'Allow'],
  ['d', 'Deny'],
] as const)
  browserTest(
    `P90: the key ${key}, pressed twice or held, answers no request without the focus`,
    async (t) => {
      const { page, open } = await openInbox(t, 4);
      const keys = page.keyboard;
      await page.locator('#main:focus').waitFor();
      await keys.press(key);
      await page.locator('[data-inbox]:focus').waitFor();
      t.is(await open(), 4, 'the first press shows what the next one answers');
      await keys.press(key);
      await until(page, `${OPEN} === 3`);
      await keys.press(key);
      await page.locator('[data-inbox]:focus [data-decision]').first().waitFor();
      t.is(await open(), 3);
      await keys.down(key);
      for (let times = 0; times < 5; times += 1) await keys.down(key);
      await keys.up(key);
      await until(page, `${OPEN} === 2`);
      t.is(await open(), 2);
      t.is(await page.locator('main').getByText(`${decision}, here`).count(), 2);
    },
  );

browserTest('P90: an answer that came second is shown as that of the first', async (t) => {
  const served = await Served.start(t);
  const { engine, runtime, url } = served;
  engine.script = () => [permission('May I?')];
  await runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  const { page } = await openPage(t, url);
  t.teardown(() => page.unrouteAll());
  const main = page.locator('main');
  const [inbox, worker] = [new InboxPage(page), new WorkerPage(page)];
  for (const open of [() => inbox.open(url), () => worker.open(url, runtime.runtimeId, 'ada')]) {
    await runtime.sendInput('ada', { text: 'go' });
    await open();
    // another person answers while the answer of this page is on its way
    await page.route(
      '**/requests/**',
      async (route) => {
        const [request] = (await runtime.listRequests('ada')).items;
        await runtime.respond('ada', request?.requestId ?? '', { decision: 'deny' });
        await route.continue();
      },
      { times: 1 },
    );
    await page.getByRole('button', { name: 'Allow' }).click();
    await main.getByText('Deny, by a person or program elsewhere').last().waitFor();
  }
  await runtime.sendInput('ada', { text: 'go' });
  await page.getByRole('button', { name: 'Allow' }).click();
  await main.getByText('Allow, here').waitFor();
  t.is(await main.getByText('Deny, here').count(), 0);
});

browserTest('P90: an answer sends what its form shows, and nothing while a field is not valid', async (t) => {
  const served = await Served.start(t);
  served.engine.script = () => [
    permission('How?', {
      schema: {
        type: 'object',
        properties: {
          place: { type: 'object', title: 'Place' },
          count: { type: 'integer', title: 'Count', minimum: 1, maximum: 9 },
        },
      },
    }),
  ];
  await served.runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  await served.runtime.sendInput('ada', { text: 'go' });
  const { page } = await openPage(t, served.url);
  await new WorkerPage(page).open(served.url, served.runtime.runtimeId, 'ada');
  const place = page.getByLabel('Place');
  const count = page.getByLabel('Count');
  const allow = page.getByRole('button', { name: 'Allow' });
  const isOpen = async (): Promise<boolean> => (await served.runtime.listOpenRequests()).items.length === 1;
  await place.fill('{ "street": "one" }');
  await count.fill('3');
  for (const [field, wrong, right] of [
    [place, '{ "street": "two"', '{ "street": "two" }'],
    [count, '12', '4'],
    [count, '1.5', '5'],
  ] as const) {
    await field.fill(wrong);
    await allow.click();
    await page.locator('form :invalid:focus').waitFor();
    t.true(await allow.isEnabled(), wrong);
    t.true(await isOpen(), wrong);
    await field.fill(right);
  }
  await allow.click();
  await page.locator('[data-request][data-open="false"]').waitFor();
  const [resolved] = (await served.runtime.events('ada', { types: ['request.resolved'] })).items;
  t.like(resolved?.data, { decision: 'allow', value: { place: { street: 'two' }, count: 5 } });
});

browserTest('P90: a request can be refused while its form is not valid', async (t) => {
  const served = await Served.start(t);
  served.engine.script = () => [
    permission('How?', {
      schema: { type: 'object', properties: { place: { type: 'array', title: 'Place' } } },
    }),
  ];
  await served.runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  await served.runtime.sendInput('ada', { text: 'go' });
  const { page } = await openPage(t, served.url);
  await new WorkerPage(page).open(served.url, served.runtime.runtimeId, 'ada');
  await page.getByLabel('Place').fill('[');
  await page.getByRole('button', { name: 'Deny' }).click();
  await page.locator('[data-request][data-open="false"]').waitFor();
  const [resolved] = (await served.runtime.events('ada', { types: ['request.resolved'] })).items;
  t.is(resolved?.type === 'request.resolved' ? resolved.data.decision : null, 'deny');
});
