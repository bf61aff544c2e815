/** A page that waits for its content says so, and states nothing that it does not know. */
import { browserTest, openPage } from '@worker-runtime/test-environment/browser';
import { servePopulated } from './scene.ts';
import { until } from './until.ts';

browserTest('P38: a page says that it reads, until it knows what it shows', async (t) => {
  const { url, runtimeId } = await servePopulated(t);
  const { page } = await openPage(t, url);
  t.teardown(() => page.unrouteAll());
  const worker = `runtimes/${runtimeId}/workers/upgrade`;
  for (const [path, held, sign] of [
    ['workers', '**/v1/runtimes', '[data-worker]'],
    ['runtimes', '**/v1/runtimes', '[data-runtime]'],
    ['inbox', '**/v1/**/requests*', '[data-request]'],
    ['usage', '**/v1/prices', 'table'],
    [worker, '**/v1/runtimes', '[data-loaded="true"]'],
    [worker, '**/transcript*', '[data-loaded="true"]'],
    [`${worker}/events`, '**/transcript*', '[data-event]'],
    [`${worker}/timeline`, '**/transcript*', '[data-bar]'],
  ] as const) {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    await page.route(held, async (route) => {
      await released;
      await route.continue();
    });
    await page.goto('about:blank');
    await page.goto(`${url}/#/${path}`);
    await page.locator('main [data-reading]').first().waitFor();
    const text = (await page.locator('main').textContent()) ?? '';
    t.notRegex(text, /Nobody|No Workers|No runs|no such|beginning of the log|Say something/, path);
    await until(page, `document.querySelector('main [data-reading]') !== null`);
    release();
    await page.locator(`main ${sign}`).first().waitFor({ state: 'attached' });
    await page.locator('main [data-reading]').waitFor({ state: 'detached' });
    await page.unroute(held);
  }
});
