import { inputText } from '@worker-runtime/core';
import { browserTest, openPage } from '@worker-runtime/test-environment/browser';
import { WorkerPage } from './pages/worker-page.ts';
import { WorkersPage } from './pages/workers-page.ts';
import { Served } from './served.ts';
import { until } from './until.ts';

/** Declares a test with so many Workers. */
export const testManyWorkers = (workers: number): void => {
  browserTest(`P41: ${workers} Workers are listed, found and reached, with few elements`, async (t) => {
    const served = await Served.start(t);
    const { runtime, url } = served;
    for (let from = 0; from < workers; from += 500)
      await Promise.all(
        Array.from({ length: 500 }, (_, at) =>
          runtime.createWorker({
            engine: 'scripted',
            workerId: `worker-${from + at}`,
            labels: { shard: `${at % 5}` },
          }),
        ),
      );
    const { page } = await openPage(t, url);
    const list = new WorkersPage(page);
    await list.open(url);
    await until(page, `document.querySelector('li[aria-setsize="${workers}"]') !== null`);
    t.is(await list.total(), workers);
    t.true((await page.locator('[data-worker]').count()) < 100, 'only the lines in view are elements');

    await list.search.fill(`worker-${workers - 1}`);
    await until(page, `document.querySelectorAll('[data-worker]').length === 1`);
    t.deepEqual(await list.names(), [`worker-${workers - 1}`]);
    await list.search.fill('');
    await runtime.createWorker({ engine: 'scripted', workerId: 'the-last' });
    await until(page, `document.querySelector('li[aria-setsize="${workers + 1}"]') !== null`);
    t.pass();
  });
};

/** Declares a test with a Worker of so many events. */
export const testLongLog = (events: number): void => {
  browserTest(
    `P41: a Worker of ${events} events opens at its last page, and any event by its number`,
    async (t) => {
      const served = await Served.start(t);
      served.engine.script = (run) =>
        inputText(run.input) === 'much'
          ? Array.from({ length: 5_000 }, (_, at) => [
              { type: 'text' as const, text: `piece ${at}` },
              { type: 'message' as const },
            ]).flat()
          : [{ type: 'text', text: 'the end' }, { type: 'message' }];
      const { runtime, url } = served;
      await runtime.createWorker({ engine: 'scripted', workerId: 'long' });
      const { runtimeId } = await runtime.summary();
      while ((await runtime.getWorker('long')).lastSeq < events)
        t.is((await runtime.sendInput('long', { text: 'much' }, { waitMs: 60_000 })).waited, 'finished');
      await runtime.sendInput('long', { text: 'last' }, { waitMs: 10_000 });

      const { page: tab } = await openPage(t, url);
      const answers: number[] = [];
      tab.on('response', (response) => {
        if (response.url().includes('/v1/'))
          void response.body().then(
            (body) => answers.push(body.length),
            () => {},
          );
      });
      const page = new WorkerPage(tab);
      await page.open(url, runtimeId, 'long');
      await page.isLoaded();
      await page.shows('the end');
      t.true((await page.shown()).length < 200, 'only the last page is shown');
      t.true(answers.reduce((sum, bytes) => sum + bytes, 0) < 1_000_000, 'only the last page is read');

      await page.open(url, runtimeId, 'long', '/events?at=777');
      await tab.locator('[data-event="777"][data-marked="true"]').waitFor();
      await page.open(url, runtimeId, 'long', '?until=1000');
      await tab.locator('[data-kind="message"]').last().waitFor();
      const shown = await page.shown();
      t.is(shown.at(-1)?.seq, 1_000, 'the conversation as it was after the event');
    },
  );
};

/** Declares a test with a message of one megabyte. */
export const testLongMessage = (): void => {
  browserTest('P41: a message of one megabyte is shown in part, and whole on demand', async (t) => {
    const served = await Served.start(t);
    // with its escapes, the event stays below the limit of 1 MiB
    const line = `${'A line of a very long message. '.repeat(3)}\n\n`;
    const text = line.repeat(Math.floor(1_000_000 / line.length));
    served.engine.script = () => [{ type: 'text', text }, { type: 'message' }];
    await served.runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
    const { run } = await served.runtime.sendInput('ada', { text: 'go' }, { waitMs: 30_000 });
    t.is(run?.outcome, 'completed');
    const { runtimeId } = await served.runtime.summary();
    const { page: tab } = await openPage(t, served.url);
    const page = new WorkerPage(tab);
    await page.open(served.url, runtimeId, 'ada');
    await tab.locator('[data-kind="message"]').waitFor();
    const shownLength = () =>
      tab.evaluate<number>(`document.querySelector('[data-kind="message"]').textContent.length`);
    const part = await shownLength();
    t.true(part > 1_000 && part < 100_000, `${part} characters are shown`);
    await tab.locator('[data-kind="message"]').getByRole('button', { name: /all/i }).click();
    await until(tab, `document.querySelector('[data-kind="message"]').textContent.length > 900_000`);
    t.pass();
  });
};
