/** The focus stays near its place, although the element that has it goes. */
import { assertHarmless, browserTest, openPage } from '@worker-runtime/test-environment/browser';
import type { Page } from 'playwright-core';
import { InboxPage } from './pages/inbox-page.ts';
import { WorkerPage } from './pages/worker-page.ts';
import { WorkersPage } from './pages/workers-page.ts';
import { servePopulated } from './scene.ts';
import { until } from './until.ts';

/** Presses a key on an element, which gets the focus. */
const press = async (page: Page, name: string, key = 'Enter'): Promise<void> => {
  const element = page.getByRole('button', { name }).first();
  await element.focus();
  await element.press(key);
};

/** Waits until the element with the focus is another one, and returns the closest one with this selector; null without one. */
const focused = (page: Page, selector: string): Promise<string | null> =>
  page.evaluate<string | null>(
    `document.activeElement.matches(${JSON.stringify(selector)}) ? null : document.activeElement.outerHTML.slice(0, 120)`,
  );

browserTest('P103: the focus stays at a request that is answered, here or elsewhere', async (t) => {
  const { url, runtime, runtimeId } = await servePopulated(t);
  const opened = await openPage(t, url);
  const { page } = opened;
  await new InboxPage(page).open(url);
  await until(page, `document.querySelectorAll('[data-open="true"]').length === 2`);
  // Enter belongs to the button, although it opens the Worker of a card
  await press(page, 'What changed in November');
  await page.locator('[data-open="false"]').waitFor();
  t.is(await focused(page, '[data-request][data-open="false"]'), null);
  t.regex(page.url(), /inbox/);

  await page.getByLabel('A note with the answer').focus();
  const [request] = (await runtime.listRequests('upgrade')).items;
  await runtime.respond('upgrade', request?.requestId ?? '', { decision: 'deny' });
  await until(page, `document.querySelectorAll('[data-open="false"]').length === 2`);
  t.is(await focused(page, '[data-request][data-open="false"]'), null);

  await runtime.sendInput('upgrade', { text: 'Then migrate production.', whenBusy: 'queue' });
  await new WorkerPage(page).open(url, runtimeId, 'upgrade');
  await press(page, 'Allow');
  await page.locator('[data-open="true"]').waitFor({ state: 'detached' });
  t.is(await focused(page, '[data-request][data-open="false"]'), null);
  await assertHarmless(t, opened);
});

browserTest('P103: the focus returns from a dialog, and stays where a button goes', async (t) => {
  const { url, runtime, runtimeId } = await servePopulated(t);
  const opened = await openPage(t, url);
  const { page } = opened;
  await new WorkerPage(page).open(url, runtimeId, 'calendar');
  await new WorkerPage(page).isLoaded();
  for (const close of ['Keep as it is', 'Save'])
    for (const key of ['Enter', 'Escape']) {
      await press(page, 'More actions');
      await page.getByRole('button', { name: 'Name and labels…' }).press('Enter');
      await page.locator('dialog[open]').waitFor();
      await (key === 'Escape' ? page.keyboard.press(key) : press(page, close));
      await page.locator('dialog[open]').waitFor({ state: 'detached' });
      t.is(await focused(page, '[aria-label="More actions"]'), null, `${close} ${key}`);
    }

  await press(page, 'Cancel run');
  await page.getByRole('button', { name: /^Cancel/ }).waitFor({ state: 'detached' });
  t.is(await focused(page, '[aria-label], main'), null);

  const workers = new WorkersPage(page);
  await workers.open(url, '?label=team%3Ddocs');
  await until(page, `document.querySelectorAll('[data-worker]').length === 2`);
  await page.keyboard.press('j');
  await page.locator('[data-place="0"]:focus').waitFor();
  await page.keyboard.press('x');
  await press(page, 'Clear the selection');
  await page.getByRole('button', { name: 'Clear the selection' }).waitFor({ state: 'detached' });
  t.is(await focused(page, 'main'), null);

  // a Worker that moves beyond the lines in view keeps the focus
  await workers.open(url);
  await workers.line('Release notes').getByRole('link').focus();
  await runtime.stopWorker('notes');
  await page.locator('[data-worker$="notes"][data-status="stopped"]').waitFor();
  t.is(await focused(page, '[data-worker$="notes"] a'), null);
  await assertHarmless(t, opened);
});

browserTest('P103: a person who takes the focus away gets it back by no change of the page', async (t) => {
  const { url, runtime } = await servePopulated(t);
  const { page } = await openPage(t, url);
  await new InboxPage(page).open(url);
  await page.getByLabel('A note with the answer').first().focus();
  await page.evaluate('document.activeElement.blur()');
  for (const workerId of ['upgrade', 'newsletter']) {
    const [request] = (await runtime.listRequests(workerId)).items;
    await runtime.respond(workerId, request?.requestId ?? '', { decision: request?.options[0]?.id ?? '' });
  }
  await until(page, `document.querySelectorAll('[data-open="false"]').length === 2`);
  t.true(await page.evaluate<boolean>('document.activeElement === document.body'));
});
