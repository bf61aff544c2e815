/** A page that was opened once works on without a connection. */
import { browserTest, openPage } from '@worker-runtime/test-environment/browser';
import { untilAllLoaded } from './all-loaded.ts';
import { Served } from './served.ts';
import { until } from './until.ts';

const PAGES = ['workers', 'inbox', 'workers/new', 'runtimes', 'usage', 'account'];

browserTest('P92: a page that has lost its connection opens every other page', async (t) => {
  const served = await Served.start(t);
  await served.runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  const { page, context, misdeeds } = await openPage(t, served.url);
  await untilAllLoaded(page);
  await page.evaluate('globalThis.isTheFirst = true');
  await context.setOffline(true);
  await page.keyboard.press('Control+k');
  await page.locator('dialog[open] input:focus').waitFor();
  await page.keyboard.press('Escape');
  const views = ['', '/events', '/timeline'].map(
    (view) => `runtimes/${served.runtime.runtimeId}/workers/ada${view}`,
  );
  for (const path of [...PAGES, ...views]) {
    await page.evaluate(`location.hash = '#/${path}'`);
    await page.locator('main :is(h1, h2, form)').first().waitFor();
    await until(page, `location.hash === '#/${path}'`);
    t.is(await page.getByText('Something went wrong').count(), 0, path);
    t.true(await page.evaluate<boolean>('globalThis.isTheFirst === true'), path);
  }
  t.deepEqual(misdeeds.errors, []);
});
