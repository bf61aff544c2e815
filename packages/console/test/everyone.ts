import { assertHarmless, browserTest, openPage } from '@worker-runtime/test-environment/browser';
import { exclusions } from '@worker-runtime/test-environment/exclusions';
import type { Page } from 'playwright-core';
import { testLook } from './look.ts';
import { InboxPage } from './pages/inbox-page.ts';
import { WorkerPage } from './pages/worker-page.ts';
import { WorkersPage } from './pages/workers-page.ts';
import { servePopulated } from './scene.ts';
import { until } from './until.ts';

testLook({ colorScheme: 'light', width: 1_200 });
testLook({ colorScheme: 'dark', width: 320 });

browserTest(
  'P39: a person with a keyboard alone finds a Worker, writes to it, and answers a request',
  async (t) => {
    const { url, runtime } = await servePopulated(t);
    const { page } = await openPage(t, url);
    const keys = page.keyboard;
    const workers = new WorkersPage(page);
    await workers.open(url);
    await workers.line('Ticket triage').waitFor();

    await keys.press('/');
    await keys.type('ticket');
    await until(page, `document.querySelectorAll('[data-worker]').length === 1`);
    await keys.press('Enter');
    await page.locator('[data-place="0"]:focus').waitFor();
    await keys.press('Enter');
    const worker = new WorkerPage(page);
    await worker.isLoaded();
    await page.locator('textarea:focus').waitFor();
    await keys.type('Translate the release notes.');
    await keys.press('Enter');
    await worker.shows('The release notes are translated to German, French and Japanese.');

    await keys.press('Control+k');
    await page.locator('dialog[open] input:focus').waitFor();
    await keys.type('inbox');
    await keys.press('Enter');
    const inbox = new InboxPage(page);
    await until(page, `document.querySelectorAll('[data-request][data-open="true"]').length === 2`);
    await keys.press('j');
    await keys.press('a');
    await until(page, `document.querySelectorAll('[data-request][data-open="true"]').length === 1`);
    t.is((await runtime.listOpenRequests()).items.length, 1);
    t.is(await inbox.openCards.count(), 1);

    await keys.press('Shift+?');
    await page.locator('dialog[open]').waitFor();
    await keys.press('Escape');
    t.is(await page.locator('dialog[open]').count(), 0);
  },
);

browserTest('P39: no dialog, menu or open fold excludes anyone, and Escape leaves each', async (t) => {
  const { url, runtimeId } = await servePopulated(t);
  const opened = await openPage(t, url, { viewport: { width: 360, height: 640 } });
  const { page } = opened;
  const keys = page.keyboard;
  const isClosed = `document.querySelector('dialog[open], :popover-open') === null`;
  const press = (name: string | RegExp) => page.getByRole('button', { name }).first().press('Enter');
  const workers = new WorkersPage(page);
  const worker = (view: string) => new WorkerPage(page).open(url, runtimeId, 'upgrade', view);
  const acts: Readonly<Record<string, () => Promise<unknown>>> = {
    palette: () => keys.press('Control+k'),
    keys: () => keys.press('Shift+?'),
    labels: () => workers.open(url).then(() => press('Label')),
    types: () => worker('/events').then(() => press(/All types/)),
    files: () => press('Export'),
    menu: () => worker('').then(() => press('More actions')),
    change: () => press('More actions').then(() => press('Name and labels…')),
    stop: () => press('More actions').then(() => press('Stop…')),
  };
  await workers.open(url);
  await workers.line('Newsletter').waitFor();
  for (const [name, act] of Object.entries(acts)) {
    await act();
    await page.locator('dialog[open], :popover-open').waitFor();
    t.deepEqual(await exclusions(page), [], name);
    t.true(await page.evaluate<boolean>('document.documentElement.scrollWidth <= innerWidth'), name);
    await keys.press('Escape');
    await until(page, isClosed);
    t.true(await page.evaluate<boolean>('document.activeElement !== document.body'), name);
  }
  await page.evaluate(`for (const fold of document.querySelectorAll('details')) fold.open = true`);
  t.deepEqual(await exclusions(page), []);
  await assertHarmless(t, opened);
});

/** Presses Tab until the element with the focus has this name. */
const tabTo = async (page: Page, name: RegExp): Promise<void> => {
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate<string>(`(() => {
      const active = document.activeElement;
      return active?.getAttribute('aria-label') ?? active?.labels?.[0]?.textContent ?? active?.textContent ?? '';
    })()`);
    if (name.test(focused)) return;
  }
  throw new Error(`Tab does not lead to ${name}`);
};

browserTest(
  'P39: a person with a keyboard alone creates a Worker, cancels a run, and stops several Workers at once',
  async (t) => {
    const { url, runtime } = await servePopulated(t);
    const { page } = await openPage(t, url);
    const keys = page.keyboard;
    const workers = new WorkersPage(page);
    await workers.open(url);
    await workers.line('Calendar tests').waitFor();

    await keys.press('n');
    await page.locator('form').waitFor();
    await tabTo(page, /^Id/);
    await keys.type('typed');
    await tabTo(page, /^Create/);
    await keys.press('Enter');
    await page.waitForURL(/workers\/typed/);
    t.is((await runtime.getWorker('typed')).status, 'idle');

    await workers.open(url, '?q=calendar');
    await until(page, `document.querySelectorAll('[data-worker]').length === 1`);
    await keys.press('j');
    await page.locator('[data-place="0"]:focus').waitFor();
    t.is((await runtime.getWorker('calendar')).status, 'running');
    await keys.press('c');
    await page.locator('[data-worker][data-status="idle"]').waitFor();
    t.is((await runtime.getWorker('calendar')).run, null);

    await workers.open(url, '?label=team%3Ddocs');
    await until(page, `document.querySelectorAll('[data-worker]').length === 2`);
    // the place in the list is kept
    for (const [place, key] of ['k', 'j'].entries()) {
      await keys.press(key);
      await page.locator(`[data-place="${place}"]:focus`).waitFor();
      await keys.press('x');
    }
    await tabTo(page, /^Stop/);
    await keys.press('Enter');
    await until(page, `document.querySelectorAll('[data-worker][data-status="stopped"]').length === 2`);
    for (const workerId of ['notes', 'docs']) t.is((await runtime.getWorker(workerId)).status, 'stopped');
  },
);

/** Returns the controls and places of a page that only a background shows, which forced colors do not. */
const UNSEEN = `[...document.querySelectorAll('button, input, textarea, select, main [class*="button"], [aria-current], [data-bar]')]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }) && one.offsetWidth > 0)
  .filter((one) => {
    const { borderTopStyle, outlineStyle, forcedColorAdjust } = getComputedStyle(one);
    if (one.matches('[data-bar]')) return forcedColorAdjust !== 'none';
    if (one.matches('[aria-current], :focus-visible')) return outlineStyle === 'none';
    return borderTopStyle === 'none' && outlineStyle === 'none';
  })
  .map((one) => one.outerHTML.slice(0, 120))`;

browserTest(
  'P39: a person with forced colors sees each control, the current page and the focus',
  async (t) => {
    const { url, runtimeId } = await servePopulated(t);
    const { page } = await openPage(t, url);
    t.teardown(() => page.emulateMedia({ forcedColors: 'none' }));
    await page.emulateMedia({ forcedColors: 'active' });
    const worker = `/#/runtimes/${runtimeId}/workers/upgrade`;
    for (const [path, sign] of [
      ['/#/workers', '[data-worker]'],
      [worker, 'textarea:focus'],
      [`${worker}/timeline`, '[data-bar]'],
      ['/#/inbox', '[data-request]'],
      ['/#/usage', '[data-bar]'],
    ] as const) {
      await page.goto(url + path);
      await page.locator(sign).first().waitFor({ state: 'attached' });
      t.deepEqual(await page.evaluate<string[]>(UNSEEN), [], path);
    }
    await page.keyboard.press('Control+k');
    await page.locator('dialog[open] input:focus').waitFor();
    t.deepEqual(await page.evaluate<string[]>(UNSEEN), []);
  },
);

browserTest('P39: nothing moves for a person who asked for reduced motion', async (t) => {
  const { url, runtimeId } = await servePopulated(t);
  const opened = await openPage(t, url);
  const { page } = opened;
  const moving = 'document.getAnimations().filter((one) => one.playState === "running").length';
  // a run in progress is what moves on a page
  await new WorkerPage(page).open(url, runtimeId, 'calendar');
  await new WorkerPage(page).isLoaded();
  await page.emulateMedia({ reducedMotion: 'no-preference' });
  await until(page, `${moving} > 0`);
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await until(page, `${moving} === 0`);
  await assertHarmless(t, opened);
});
