import { inputText } from '@worker-runtime/core';
import { browserTest, openPage } from '@worker-runtime/test-environment/browser';
import { testClosing } from './closing.ts';
import { WorkerPage } from './pages/worker-page.ts';
import { Served } from './served.ts';
import { until } from './until.ts';

// other tests run beside it, so it gets more than the promised time
testClosing(5_000);

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
