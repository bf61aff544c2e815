/** The notifications of requests while the page is hidden. */
import { browserTest, openPage } from '@worker-runtime/test-environment/browser';
import { permission } from './asking.ts';
import { InboxPage } from './pages/inbox-page.ts';
import { Served } from './served.ts';
import { until } from './until.ts';

/** Makes the page a hidden one of a browser that may notify, and keeps what it shows. */
const HIDDEN = `
globalThis.shown = [];
globalThis.Notification = class extends EventTarget {
  static permission = 'granted';
  constructor(title, { body }) {
    super();
    shown.push([title, body]);
    this.close = () => {};
    globalThis.latest = this;
  }
};
Object.defineProperty(document, 'hidden', { configurable: true, value: true });`;

browserTest(
  'a request that opens while the page is hidden is notified once, and leads to the inbox',
  async (t) => {
    const { engine, runtime, url } = await Served.start(t);
    engine.script = () => [permission(`May I \u202ego?`)];
    const ask = async (workerId: string): Promise<void> => {
      await runtime.createWorker({ engine: 'scripted', workerId });
      await runtime.sendInput(workerId, { text: 'go' });
    };
    await ask('early');
    const { page } = await openPage(t, url);
    await new InboxPage(page).open(url);
    const open = (count: number): Promise<void> =>
      until(page, `document.querySelectorAll('[data-request][data-open="true"]').length === ${count}`);
    await open(1);
    await page.evaluate(HIDDEN);
    await ask('later');
    await until(page, 'shown.length === 1');
    t.deepEqual(await page.evaluate('shown[0]'), ['later and others wait for you', 'May I \\u202ego?']);
    await page.evaluate(`location.hash = '#/workers'; latest.dispatchEvent(new Event('click'))`);
    await open(2);

    await page.evaluate(`Object.defineProperty(document, 'hidden', { value: false })`);
    await ask('seen');
    await open(3);
    t.is(await page.evaluate('shown.length'), 1);
  },
);
