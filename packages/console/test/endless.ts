/** The memory of a page that stays open while its Worker works on. */
import { inputText } from '@worker-runtime/core';
import { browserTest, openPage } from '@worker-runtime/test-environment/browser';
import type { Page } from 'playwright-core';
import { WorkerPage } from './pages/worker-page.ts';
import { Served } from './served.ts';
import { until } from './until.ts';

const MIB = 1_048_576;

/** Returns the bytes that the objects of a page take after a collection. */
const heapOf = async (page: Page): Promise<number> => {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('HeapProfiler.collectGarbage');
  const { usedSize } = (await devtools.send('Runtime.getHeapUsage')) as { readonly usedSize: number };
  await devtools.detach();
  return usedSize;
};

/** The views of a Worker: its path, and how a person goes to an earlier place and back to the newest. */
const VIEWS = {
  Conversation: {
    path: '',
    away: 0,
    end: 1e9,
    newest: `[...document.querySelectorAll('[data-seq]')].at(-1)?.dataset.seq`,
  },
  Events: {
    path: '/events',
    away: 600,
    end: 0,
    newest: `document.querySelector('[data-event]')?.dataset.event`,
  },
} as const;

interface Endless {
  readonly view: keyof typeof VIEWS;
  /** True if the person reads an earlier place. */
  readonly isAway: boolean;
  readonly messages: number;
  /** The characters of each message. */
  readonly chars: number;
  /** The most that the heap of the page may grow by. */
  readonly limitMib: number;
}

/** Declares a test with a Worker that writes so much while a page shows it. */
export const testEndless = ({ view, isAway, messages, chars, limitMib }: Endless): void => {
  const place = isAway ? 'an earlier place' : 'the end';
  browserTest(
    `P104: the ${view} keeps a bounded part of ${messages} messages of ${chars} characters, read at ${place}`,
    async (t) => {
      const served = await Served.start(t);
      const { runtime, engine, url } = served;
      engine.script = (run) =>
        Array.from({ length: Number(inputText(run.input)) }, (_, at) => [
          { type: 'text' as const, text: `${at} `.repeat(chars).slice(0, chars) },
          { type: 'message' as const },
        ]).flat();
      await runtime.createWorker({ engine: 'scripted', workerId: 'ada' });
      const write = async (count: number): Promise<void> => {
        const { waited } = await runtime.sendInput('ada', { text: `${count}` }, { waitMs: 60_000 });
        t.is(waited, 'finished');
      };
      await write(50);
      const { path, away, end, newest } = VIEWS[view];
      const { page } = await openPage(t, url);
      let received = 0;
      page.on('websocket', (socket) =>
        socket.on('framereceived', ({ payload }) => {
          received += payload.length;
        }),
      );
      await new WorkerPage(page).open(url, runtime.runtimeId, 'ada', path);
      const scrollTo = async (top: number): Promise<void> => {
        await page.evaluate(`document.querySelector('[aria-label="${view}"]').scrollTo(0, ${top})`);
        await page.evaluate(
          'new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))',
        );
      };
      const untilNewest = async (): Promise<void> => {
        const { lastSeq } = await runtime.getWorker('ada');
        // the end of a run is no message, and a conversation shows nothing of it
        await until(page, `${lastSeq} - Number(${newest}) <= 2`);
      };
      await untilNewest();
      if (isAway) await scrollTo(away);
      const before = await heapOf(page);
      const part = Math.min(messages, 2_000);
      for (let written = 0; written < messages; written += part) await write(part);
      if (!isAway) await untilNewest();
      let after = await heapOf(page);
      // a person who is away gets no more events at some time
      for (let before = -1; isAway && before !== received; after = await heapOf(page)) before = received;
      t.log(`${Math.round(before / MIB)} MiB, then ${Math.round(after / MIB)} MiB`);
      t.true(after - before < limitMib * MIB, `${Math.round((after - before) / MIB)} MiB more`);
      if (!isAway) return;
      // the events after the place are there when the person goes to the end
      await scrollTo(end);
      await untilNewest();
      t.true((await heapOf(page)) - before < limitMib * MIB);
    },
  );
};

browserTest('P104: a page asks nothing of a runtime that the server has removed', async (t) => {
  const served = await Served.start(t);
  const { runtime, url } = served;
  const { page } = await openPage(t, url);
  t.teardown(() => page.unrouteAll());
  await page.locator('[data-connection="live"]').waitFor();
  await page.route('**/v1/runtimes', (route) => route.fulfill({ json: { items: [], next: null } }));
  const listed = page.waitForResponse('**/v1/runtimes');
  served.cut();
  await listed;
  await page.locator('[data-connection="connecting"]').waitFor();
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  // longer than the silence after which a page asks for a sign of life
  await page.evaluate('new Promise((resolve) => setTimeout(resolve, 5_000))');
  t.deepEqual(
    asked.filter((address) => address.includes(runtime.runtimeId)),
    [],
  );
});
