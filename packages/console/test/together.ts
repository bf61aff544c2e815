import { inputText } from '@worker-runtime/core';
import { browserTest, isLong, openPage } from './browser.ts';
import { InboxPage } from './pages/inbox-page.ts';
import { WorkerPage } from './pages/worker-page.ts';
import { Served } from './served.ts';
import { until } from './until.ts';

/** The promised time. With other tests beside it, a page gets more. */
const CLOSED_MS = isLong ? 1_000 : 5_000;

const ask = (prompt: string) => [
  {
    type: 'ask' as const,
    question: {
      kind: 'permission' as const,
      prompt,
      options: [
        { id: 'allow', label: 'Allow', kind: 'allow-once' as const },
        { id: 'deny', label: 'Deny', kind: 'reject-once' as const },
      ],
    },
  },
  { type: 'text' as const, text: 'answered' },
  { type: 'message' as const },
];

browserTest(`a request that one person answers is closed for the other within ${CLOSED_MS} ms`, async (t) => {
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
    CLOSED_MS,
  );
  await other.page.getByText('Allow, by a person or program elsewhere').waitFor();
  await one.page.getByText('Allow, here').waitFor();
  await until(other.page, `document.title.startsWith('(1)')`);

  // the same request on two pages of its Worker: the second answer is refused, and both pages show the first
  const conversation = new WorkerPage((await openPage(t, url)).page);
  await conversation.open(url, runtimeId, 'ben');
  await other.page.bringToFront();
  await other.answer('may ben?', 'Deny').click();
  await conversation.page.locator('[data-request][data-open="false"]').waitFor();
  t.deepEqual((await runtime.listOpenRequests()).items, []);
  t.is((await runtime.events('ben', { after: 'start', types: ['request.resolved'] })).items.length, 1);
});

browserTest('an input is accepted once: after a double click, a lost answer and a reload', async (t) => {
  const served = await Served.start(t);
  served.engine.script = () => [{ type: 'text', text: 'heard' }, { type: 'message' }];
  await served.runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  const { runtimeId } = await served.runtime.summary();
  const { page: tab } = await openPage(t, served.url);
  const page = new WorkerPage(tab);
  await page.open(served.url, runtimeId, 'ada');
  await page.isLoaded();
  const inputs = async (): Promise<readonly string[]> => {
    const { items } = await served.runtime.events('ada', { after: 'start', types: ['input.accepted'] });
    return items.flatMap((event) => (event.type === 'input.accepted' ? [inputText(event.data)] : []));
  };

  await page.input.fill('twice');
  await tab.getByRole('button', { name: 'Send' }).dblclick();
  await page.shows('heard');
  t.deepEqual(await inputs(), ['twice']);

  // the runtime accepts it, and the page cannot know
  served.freeze();
  await page.say('lost answer');
  served.cut();
  served.thaw();
  await page.shows('lost answer');
  await until(tab, `document.querySelectorAll('[data-kind="input"][data-seq]').length === 2`);
  t.deepEqual(await inputs(), ['twice', 'lost answer']);

  await served.stop();
  await page.say('while it is away');
  await tab.locator('[data-sending]').waitFor();
  await t.throwsAsync(tab.reload());
  await tab.waitForURL(/^chrome-error:/);
  // the browser loads a page that failed again by itself, which would interrupt the next line
  await tab.goto('about:blank');
  await served.begin();
  await tab.goto(`${served.url}/#/runtimes/${runtimeId}/workers/ada`);
  await page.shows('while it is away');
  await until(tab, `document.querySelectorAll('[data-kind="input"][data-seq]').length === 3`);
  t.deepEqual(await inputs(), ['twice', 'lost answer', 'while it is away']);
});
