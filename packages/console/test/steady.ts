/** A page stays as it is while the list of Workers begins again, as after a restart. */
import { inputText } from '@worker-runtime/core';
import { browserTest, openPage } from '@worker-runtime/test-environment/browser';
import type { ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { permission } from './asking.ts';
import { WorkerPage } from './pages/worker-page.ts';
import { Served } from './served.ts';
import { until } from './until.ts';

/** So many Workers that their list takes many frames. */
const OTHERS = 1_500;

const serve = async (t: ExecutionContext): Promise<Served> => {
  const served = await Served.start(t);
  const { engine, runtime } = served;
  engine.capabilities = { ...engine.capabilities, continues: true };
  engine.script = (run) => (inputText(run.input) === 'ask' ? [permission('May I?')] : []);
  await runtime.createWorker({ engine: 'scripted', workerId: 'ada', whenInterrupted: 'continue' });
  for (let at = 0; at < OTHERS; at += 1)
    await runtime.createWorker({ engine: 'scripted', workerId: `other-${at}` });
  return served;
};

/** Notes every text of these that the page ever shows from now on. */
const noteTexts = (page: Page, texts: readonly string[]): Promise<unknown> =>
  page.evaluate(`
    globalThis.noted = new Set();
    new MutationObserver(() => {
      for (const text of ${JSON.stringify(texts)})
        if (document.querySelector('main').textContent.includes(text)) noted.add(text);
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  `);

const noted = (page: Page): Promise<readonly string[]> => page.evaluate<string[]>('[...noted]');

const restart = async (served: Served, page: Page): Promise<void> => {
  await served.stop();
  await page.locator('[data-connection="lost"]').waitFor();
  await served.begin();
  await page.locator('[data-connection="live"]').waitFor();
};

browserTest(
  'P89: after a restart a request that is open is shown as open, with what a person has written',
  async (t) => {
    const served = await serve(t);
    await served.runtime.sendInput('ada', { text: 'ask' });
    const { page } = await openPage(t, served.url);
    await page.goto(`${served.url}/#/inbox`);
    const note = page.getByLabel('A note with the answer');
    await note.fill('only this once');
    await noteTexts(page, ['Closed', 'Nobody waits for you']);
    await restart(served, page);
    // a Worker that is made now is at the end of the list, so what comes before it is known
    await served.runtime.createWorker({ engine: 'scripted', workerId: 'last' });
    await served.runtime.sendInput('last', { text: 'ask' });
    await until(page, `document.querySelectorAll('[data-request][data-open="true"]').length === 2`);
    t.deepEqual(await noted(page), []);
    t.is(await note.first().inputValue(), 'only this once');
    await page.getByRole('button', { name: 'Allow' }).first().click();
    await page.locator('[data-request][data-open="false"]').getByText('Allow, here').waitFor();
    const [resolved] = (await served.runtime.events('ada', { types: ['request.resolved'] })).items;
    t.like(resolved?.data, { decision: 'allow', note: 'only this once' });
  },
);

browserTest('P89: after a restart a page of a Worker keeps its field, its focus and its place', async (t) => {
  const served = await serve(t);
  const { page } = await openPage(t, served.url);
  const worker = new WorkerPage(page);
  await worker.open(served.url, served.runtime.runtimeId, 'ada');
  await worker.isLoaded();
  await worker.input.fill('half a thought');
  await page.evaluate(`document.querySelector('textarea').isTheFirst = true`);
  await noteTexts(page, ['There is no such Worker']);
  await restart(served, page);
  await served.runtime.createWorker({ engine: 'scripted', workerId: 'last' });
  await served.runtime.sendInput('ada', { text: 'ask' });
  await page.locator('[data-request]').waitFor();
  t.deepEqual(await noted(page), []);
  t.true(await page.evaluate(`document.activeElement.isTheFirst === true`));
  t.is(await worker.input.inputValue(), 'half a thought');
});

browserTest(
  'P89: after a restart the list of Workers keeps its place, and loses what was deleted',
  async (t) => {
    const served = await serve(t);
    const { page } = await openPage(t, served.url);
    await page.goto(`${served.url}/#/workers?sort=name`);
    const size = `Number(document.querySelector('li[aria-setsize]')?.getAttribute('aria-setsize') ?? 0)`;
    await until(page, `${size} === ${OTHERS + 1}`);
    const box = `document.querySelector('[aria-label="List of Workers"]')`;
    await page.evaluate(`${box}.scrollTo(0, 50_000)`);
    await page.evaluate(`
    globalThis.smallest = Infinity;
    new MutationObserver(() => { smallest = Math.min(smallest, ${size}); })
      .observe(document.body, { subtree: true, childList: true, attributes: true });
  `);
    await served.stop();
    await page.locator('[data-connection="lost"]').waitFor();
    await served.begin();
    await served.runtime.stopWorker('other-0');
    await served.runtime.deleteWorker('other-0');
    await until(page, `${size} === ${OTHERS}`);
    t.is(await page.evaluate<number>('smallest'), OTHERS);
    t.is(await page.evaluate<number>(`${box}.scrollTop`), 50_000);
  },
);
