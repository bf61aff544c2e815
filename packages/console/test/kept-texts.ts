/** Inputs and drafts that must not be lost. */
import { inputText } from '@worker-runtime/core';
import { browserTest, openPage } from '@worker-runtime/test-environment/browser';
import type { ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { WorkerPage } from './pages/worker-page.ts';
import { Served } from './served.ts';
import { until } from './until.ts';

const serveAda = async (t: ExecutionContext) => {
  const served = await Served.start(t);
  served.engine.script = () => [{ type: 'text', text: 'heard' }, { type: 'message' }];
  await served.runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
  const { runtimeId } = served.runtime;
  const inputs = async (): Promise<readonly string[]> => {
    const { items } = await served.runtime.events('ada', { after: 'start', types: ['input.accepted'] });
    return items.flatMap((event) => (event.type === 'input.accepted' ? [inputText(event.data)] : []));
  };
  const open = async (page: Page): Promise<WorkerPage> => {
    const worker = new WorkerPage(page);
    await worker.open(served.url, runtimeId, 'ada');
    await worker.isLoaded();
    return worker;
  };
  return { served, inputs, open };
};

/** Waits until the log of a page shows so many inputs. */
const untilInputs = (page: Page, count: number): Promise<void> =>
  until(page, `document.querySelectorAll('[data-kind="input"][data-seq]').length === ${count}`);

browserTest('P92: inputs that two tabs could not send are sent after both were closed', async (t) => {
  const { served, inputs, open } = await serveAda(t);
  const first = await openPage(t, served.url);
  const second = await first.context.newPage();
  t.teardown(() => second.close());
  const pages = [await open(first.page), await open(second)];
  await served.stop();
  for (const [at, worker] of pages.entries()) {
    await worker.say(`from tab ${at}`);
    await worker.page.locator('[data-sending]').waitFor();
  }
  await first.page.goto('about:blank');
  await second.goto('about:blank');
  await served.begin();
  await open(first.page);
  await untilInputs(first.page, 2);
  t.deepEqual(await inputs(), ['from tab 0', 'from tab 1']);
  await until(first.page, `Object.keys(localStorage).every((name) => !name.includes('outbox'))`);
});

browserTest('P92: kept texts that are not readable keep no page from opening', async (t) => {
  const { served, inputs, open } = await serveAda(t);
  const { page } = await openPage(t, served.url);
  for (const [name, text] of Object.entries({ cut: '{"key":', other: '5', empty: '{}' }))
    await page.evaluate(`localStorage.setItem('worker-runtime.outbox.${name}', ${JSON.stringify(text)})`);
  await page.reload();
  await (await open(page)).say('hello');
  await untilInputs(page, 1);
  t.deepEqual(await inputs(), ['hello']);
  await page.evaluate('localStorage.clear()');
});

browserTest('P92: inputs are accepted in the order in which they were sent', async (t) => {
  const { served, inputs, open } = await serveAda(t);
  const { page } = await openPage(t, served.url);
  const worker = await open(page);
  // the first input is lost on its way, again and again
  let losses = 4;
  await page.route('**/inputs', async (route) => {
    if (!route.request().postData()?.includes('one') || losses === 0) return route.continue();
    losses -= 1;
    return route.abort();
  });
  for (const text of ['one', 'two', 'three']) await worker.say(text);
  await untilInputs(page, 3);
  t.deepEqual(await inputs(), ['one', 'two', 'three']);
});

/** The ways in which a browser refuses to store a text. */
const REFUSALS = {
  'has no room': `localStorage.setItem('other', 'x'.repeat(5 * 1024 * 1024 - [...Object.entries(localStorage)].join('').length - 20))`,
  'refuses all calls': `Object.defineProperty(globalThis, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })`,
} as const;

for (const [what, refuse] of Object.entries(REFUSALS))
  browserTest(`P92: a storage that ${what} loses neither a draft nor an input`, async (t) => {
    const { served, inputs, open } = await serveAda(t);
    const { page, misdeeds } = await openPage(t, served.url);
    t.teardown(() => page.evaluate(`try { localStorage.clear(); } catch {}`));
    page.on('dialog', (dialog) => void dialog.accept());
    const worker = await open(page);
    await page.evaluate(refuse);
    const long = 'a draft '.repeat(40);
    await worker.input.fill(long);
    // another page of the console, and back
    await page.keyboard.press('Escape');
    await page.evaluate(`location.hash = '#/inbox'`);
    await page.getByRole('heading', { level: 1, name: 'Inbox' }).waitFor();
    await page.goBack();
    await until(page, `document.querySelector('textarea')?.value === ${JSON.stringify(long)}`);
    await worker.input.press('Enter');
    await untilInputs(page, 1);
    t.deepEqual(await inputs(), [long]);
    t.is(await worker.input.inputValue(), '');
    t.deepEqual(misdeeds.errors, []);
  });
