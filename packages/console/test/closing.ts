import { inputText } from '@worker-runtime/core';
import { browserTest, openPage } from '@worker-runtime/test-environment/browser';
import { permission } from './asking.ts';
import { InboxPage } from './pages/inbox-page.ts';
import { WorkerPage } from './pages/worker-page.ts';
import { Served } from './served.ts';
import { until } from './until.ts';

const ask = (prompt: string) => [
  permission(prompt),
  { type: 'text' as const, text: 'answered' },
  { type: 'message' as const },
];

/** Declares a test that the pages of other people show an answer within this time. */
export const testClosing = (withinMs: number): void => {
  browserTest(
    `a request that one person answers is closed for the other within ${withinMs} ms`,
    async (t) => {
      const served = await Served.start(t);
      served.engine.script = (run) => ask(inputText(run.input));
      const { runtime, url } = served;
      const { runtimeId } = await runtime.summary();
      for (const workerId of ['ada', 'ben']) {
        await runtime.createWorker({ engine: 'scripted', workerId });
        await runtime.sendInput(workerId, { text: `may ${workerId}?` });
      }
      const one = new InboxPage((await openPage(t, url)).page);
      const other = new InboxPage((await openPage(t, url)).page);
      await one.open(url);
      await other.open(url);
      for (const inbox of [one, other])
        for (const name of ['ada', 'ben']) await inbox.answer(`may ${name}?`, 'Allow').waitFor();
      await until(one.page, `document.title.startsWith('(2)')`);

      await one.answer('may ada?', 'Allow').click();
      await until(
        other.page,
        `document.querySelectorAll('[data-request][data-open="true"]').length === 1`,
        withinMs,
      );
      await other.page.locator('main').getByText('Allow, by a person or program elsewhere').waitFor();
      await one.page.locator('main').getByText('Allow, here').waitFor();
      await until(other.page, `document.title.startsWith('(1)')`);

      // the same request on two pages of its Worker: the second answer is refused, and both pages show the first
      const conversation = new WorkerPage((await openPage(t, url)).page);
      await conversation.open(url, runtimeId, 'ben');
      await other.page.bringToFront();
      await other.answer('may ben?', 'Deny').click();
      await conversation.page.locator('[data-request][data-open="false"]').waitFor();
      t.deepEqual((await runtime.listOpenRequests()).items, []);
      t.is((await runtime.events('ben', { after: 'start', types: ['request.resolved'] })).items.length, 1);
    },
  );
};
