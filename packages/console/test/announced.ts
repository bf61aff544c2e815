/** Each result that only shows is announced to people who use a screen reader. */
import { assertHarmless, browserTest, openPage } from '@worker-runtime/test-environment/browser';
import { InboxPage } from './pages/inbox-page.ts';
import { WorkerPage } from './pages/worker-page.ts';
import { WorkersPage } from './pages/workers-page.ts';
import { servePopulated } from './scene.ts';
import { until } from './until.ts';

browserTest('P103: the results of acts, and what comes without an act, are announced', async (t) => {
  const { url, runtime, runtimeId } = await servePopulated(t);
  const opened = await openPage(t, url);
  const { page } = opened;
  const heard = (text: string): Promise<void> =>
    until(
      page,
      `[...document.querySelectorAll('[role="log"] p')].some((one) => one.textContent.includes(${JSON.stringify(text)}))`,
    );
  const inbox = new InboxPage(page);
  await inbox.open(url);
  await page.locator('[data-open="true"]').first().waitFor();
  await heard('wait for you');

  await inbox.answer('Two drafts', 'What changed in November').click();
  await heard('What changed in November, here: Two drafts are ready');
  const [request] = (await runtime.listRequests('upgrade')).items;
  await runtime.respond('upgrade', request?.requestId ?? '', { decision: 'deny' });
  await heard('Deny, by a person or program elsewhere: Migrate');
  await runtime.sendInput('newsletter', { text: 'Prepare the newsletter.' });
  await heard('Newsletter waits for you: Two drafts');

  const worker = new WorkerPage(page);
  await worker.open(url, runtimeId, 'tickets');
  await heard('Ticket triage');
  await worker.isLoaded();
  await worker.say('Translate the release notes.');
  await heard('The release notes are translated to German, French and Japanese.');
  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('button', { name: 'Stop…' }).click();
  await page.getByRole('button', { name: 'Stop the Worker' }).click();
  await heard('Stop the Worker: done');

  const workers = new WorkersPage(page);
  await workers.open(url);
  await workers.search.fill('calendar');
  await heard('1 Worker');
  await page.keyboard.press('ArrowDown');
  await page.locator('[data-place="0"]:focus').waitFor();
  await page.keyboard.press('x');
  await heard('Calendar tests is selected');
  await page.keyboard.press('c');
  await heard('The run of Calendar tests is cancelled');
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await heard('Stop: 1 done, 0 failed');

  t.is(await page.locator('[role="log"]').count(), 1);
  await assertHarmless(t, opened);
});
